"""The starts that wait for a slot: whose turn it is, also among those of other supervisors."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from controller.cluster.local.attempts import Attempt
from controller.cluster.local.json_socket import Message
from controller.cluster.local.server import Reply
from controller.cluster.local.slots import NAME, Slots

LOOK_SECONDS = 0.2
"""Between looks for slots that other supervisors have freed."""
RENEW_SECONDS, ALIVE_SECONDS = 0.5, 3.0
"""A supervisor that has not renewed its list for so long is dead or hangs: it is passed over."""
SUFFIX = ".queue"


class Start(NamedTuple):
    """A request to start an attempt, and where its answer goes."""

    request: Message
    reply: Reply

    @property
    def path(self) -> str:
        path: str = self.request["key"]
        return path

    @property
    def slots(self) -> int:
        """How many trials may run at once."""
        slots: int = self.request["slots"]
        return slots


class StartQueue:
    """The starts of one supervisor, in memory: whoever asked for one waits for its answer, and asks
    again should this process die. `begin` starts an attempt, `runs` says whether it runs now.

    `<data>/slots/<supervisor>.queue` names their experiments to other supervisors.
    """

    def __init__(
        self,
        data: str,
        supervisor: str,
        begin: Callable[[Message], str | None],
        runs: Callable[[str], bool],
    ) -> None:
        self._data = data
        self._folder = os.path.join(data, "slots")
        self._list = os.path.join(self._folder, supervisor + SUFFIX)
        self._begin = begin
        self._runs = runs
        self._slots = Slots(os.path.join(self._folder, "taken"))
        self._starts: dict[str, deque[Start]] = {}
        self._listed: set[str] = set()
        self._listed_until = 0.0
        self.look_at = float("inf")
        """When `start_next` is due."""

    def add(self, start: Start) -> None:
        """Start it now if there is a slot and it is its turn; else its client is told that it
        waits."""
        waiting = self._starts.setdefault(start.path[:NAME], deque())
        waiting.append(start)
        self.start_next()
        if waiting and waiting[-1] is start:
            start.reply.send({"waiting": True})

    def start_next(self) -> None:
        """Start all whose turn it is."""
        try:
            while start := self._next():
                self._start(start)
        except OSError as error:  # slots cannot be looked at: a full disk, no file descriptors
            for start in [one for starts in self._starts.values() for one in starts]:
                self._remove(start)
                start.reply.refuse(error)
        self._publish()

    def waiting(self, experiment: str) -> list[str]:
        """The attempts of an experiment that wait."""
        return [start.path for start in self._starts.get(experiment, ())]

    def withdraw(self, path: str, holder: str | None) -> None:
        """The attempt waits no longer: it was ended, by us or else by `holder`."""
        for start in list(self._starts.get(path[:NAME], ())):
            if start.path == path:
                self._remove(start)
                start.reply.send({"by": holder})

    def free(self, path: str) -> None:
        """The attempt needs its slot no longer."""
        self._slots.free(path)
        if self._starts:
            self.look_at = 0.0

    def close(self) -> None:
        """Nothing waits here any more."""
        self._starts.clear()
        self._publish()

    def _next(self) -> Start | None:
        """The start whose turn it is, without those that need none: their attempt is claimed, or
        their client gone, and whoever goes on for it asks anew. Raises OSError."""
        while (experiment := self._first()) is not None:
            start = self._starts[experiment][0]
            try:
                holder = Attempt(self._data, start.path).claimed_by()
            except OSError as error:  # of this attempt's folder: no other start is to blame
                self._remove(start)
                start.reply.refuse(error)
                continue
            if holder is None and start.reply.is_open():
                return start if self._slots.take(start.path, start.slots) else None
            self._remove(start)
            start.reply.send({"by": holder})
        return None

    def _start(self, start: Start) -> None:
        self._remove(start)
        try:
            start.reply.send({"by": self._begin(start.request)})
        except OSError as error:
            start.reply.refuse(error)
        if not self._runs(start.path):
            self._slots.free(start.path)

    def _first(self) -> str | None:
        """The experiment that runs the fewest trials of all that wait, if it is one of ours. Raises
        OSError."""
        ours = list(self._starts)
        others = list(self._others()) if ours else []
        if len(ours) + len(others) < 2:
            return ours[0] if ours else None
        running, free = self._slots.survey(self._starts[ours[0]][0].slots)
        experiment = min(ours, key=running.__getitem__)
        able = [other for other, slots in others if free < slots]
        fewest = min((running[other] for other in able), default=running[experiment])
        return experiment if running[experiment] <= fewest else None

    def _others(self) -> Iterator[tuple[str, int]]:
        """The experiments that wait at other supervisors, with the number of their slots."""
        with suppress(FileNotFoundError):
            for name in os.listdir(self._folder):
                path = os.path.join(self._folder, name)
                if name.endswith(SUFFIX) and path != self._list:
                    yield from _waiting(path)

    def _remove(self, start: Start) -> None:
        experiment = start.path[:NAME]
        self._starts[experiment].remove(start)
        if not self._starts[experiment]:
            del self._starts[experiment]

    def _publish(self) -> None:
        """Tell other supervisors which experiments wait here; again now and then, as a sign of
        life."""
        now = time.monotonic()
        self.look_at = now + LOOK_SECONDS if self._starts else float("inf")
        if self._listed == self._starts.keys() and (not self._starts or now < self._listed_until):
            return
        self._listed, self._listed_until = set(self._starts), now + RENEW_SECONDS
        with suppress(OSError):  # a full disk, a folder that was deleted: they do not know of us
            if not self._starts:
                os.unlink(self._list)
            else:
                with open(f"{self._list}.new", "w", encoding="utf-8") as file:
                    file.writelines(
                        f"{name} {starts[0].slots}\n" for name, starts in self._starts.items()
                    )
                os.replace(file.name, self._list)  # whoever reads it just now sees a whole list


def _waiting(path: str) -> list[tuple[str, int]]:
    """What another supervisor has listed; the list of one that is dead is deleted."""
    try:
        if abs(time.time() - os.stat(path).st_mtime) < ALIVE_SECONDS:
            with open(path, encoding="utf-8") as file:
                pairs = [line.split() for line in file]
                return [(name, int(slots)) for name, slots in pairs]
        os.unlink(path)
    except (OSError, ValueError):  # ValueError: another version wrote it
        pass
    return []
