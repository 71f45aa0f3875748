"""The work queue of a Kubernetes controller: keys of objects that have to be looked at, now or
later."""

import asyncio
import time
from collections.abc import Hashable
from heapq import heappop, heappush
from itertools import count
from typing import Generic, TypeVar

from events.waiting import wait

_Key = TypeVar("_Key", bound=Hashable)


class WorkQueue(Generic[_Key]):
    """Each key is due once, at the earliest moment that was asked for, however often it was added.

    A key that is being worked on is given out again only after `done`.
    """

    def __init__(self) -> None:
        self._due: dict[_Key, float] = {}
        self._heap: list[tuple[float, int, _Key]] = []
        self._order = count()
        self._working: set[_Key] = set()
        self._changed = asyncio.Event()

    def add(self, key: _Key, delay: float = 0.0) -> None:
        """It is due in `delay` seconds, or sooner if that was asked for before."""
        at = time.monotonic() + delay
        if self._due.get(key, float("inf")) <= at:
            return
        self._due[key] = at
        if key not in self._working:
            self._push(key)

    def discard(self, key: _Key) -> None:
        """It is not due any more."""
        self._due.pop(key, None)

    async def get(self) -> _Key:
        """The key that is due first, as soon as it is; call `done` when it has been worked on."""
        while True:
            self._changed.clear()
            seconds: float | None = None
            while self._heap:
                at, _, key = self._heap[0]
                if self._due.get(key) == at and key not in self._working:
                    seconds = at - time.monotonic()
                    break
                heappop(self._heap)  # it was discarded, is due sooner, or is being worked on
            if seconds is not None and seconds <= 0:
                _, _, key = heappop(self._heap)
                del self._due[key]
                self._working.add(key)
                return key
            await wait(self._changed, seconds)

    def done(self, key: _Key) -> None:
        """Nobody works on it now."""
        self._working.discard(key)
        if key in self._due:
            self._push(key)

    def _push(self, key: _Key) -> None:
        heappush(self._heap, (self._due[key], next(self._order), key))
        self._changed.set()
