"""Experiments whose work fails for a reason of their own: each waits, longer each time, and its
shard goes on."""

import errno
import logging
import time
from asyncio import Event
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar

from controller.store import StoreRefusedError
from controller.store.postgres import Database
from controller.telemetry.catalogue import QUARANTINES
from events.backoff import Backoff
from events.bus import BusRefusedError, RecordTooLargeError
from events.clock import now
from events.envelope import Envelope
from events.errors import AbandonError, RetryError
from events.ids import ExperimentId, Shard
from events.memory import lacks_memory
from events.model import storable

RETRY_SECONDS = (1.0, 300.0)
"""Before the first and between later tries."""
QUIET_SECONDS = 30.0
"""An experiment that has not failed again for so long after a try is as good as any other: longer
than the pause between two comparisons with the cluster."""
DISPLAY = "reconcile"
"""The flow for which no other waits: an object that cannot be shown may run all the same."""
MAX_REASON = 500
"""Characters that are kept of what went wrong."""
_OUTAGES = (RetryError, AbandonError, StoreRefusedError, BusRefusedError)
_OF_A_FILE = frozenset(
    {
        errno.EACCES,
        errno.EEXIST,
        errno.EINVAL,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ENXIO,
        errno.EPERM,
    }
)
"""Errors of the one file that was asked for; all others, such as a full disk, are the machine's."""
_log = logging.getLogger(__name__)


def is_own(error: BaseException) -> bool:
    """Does it concern one experiment? An outage, a fence, what a person has to do for all, no
    memory: no."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_own, error.exceptions))
    if lacks_memory(error):
        return False
    if isinstance(error, OSError):
        return error.errno in _OF_A_FILE
    own = isinstance(error, RecordTooLargeError) or not isinstance(error, _OUTAGES)
    return own and isinstance(error, Exception)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Since when an experiment is in quarantine, what failed, and when it is tried again."""

    flow: str
    reason: str
    failures: int
    since: datetime
    retry_at: datetime


@dataclass(slots=True)
class Case:
    """An experiment in quarantine. Moments are those of the monotonic clock."""

    error: BaseException | None
    """None: it was recorded by an earlier owner."""
    reason: str
    flow: str
    since: datetime = field(default_factory=now)
    began: float = field(default_factory=time.monotonic)
    failures: int = 0
    retry_at: float = 0.0
    waits: bool = False
    """Until the next try; then it has to prove itself for QUIET_SECONDS."""
    failed: set[str] = field(default_factory=set)
    """The flows that have failed since the last try."""
    parked: list[Callable[[], None]] = field(default_factory=list)
    backoff: Backoff = field(default_factory=lambda: Backoff(*RETRY_SECONDS))

    def wait(self) -> None:
        """Wait for the next try, twice as long as for the last."""
        self.failures += 1
        self.waits, self.retry_at = True, time.monotonic() + self.backoff.next()


class OfExperiment(Protocol):
    """What belongs to an experiment and is sent on."""

    @property
    def envelope(self) -> Envelope: ...


_Item = TypeVar("_Item", bound=OfExperiment | Envelope)


class Quarantine:
    """The experiments of one shard that are in quarantine; what they wait with is parked here."""

    def __init__(self) -> None:
        self.cases: dict[ExperimentId, Case] = {}
        self.listeners: list[Callable[[ExperimentId], None]] = []
        """Called with each experiment whose quarantine has begun, changed or ended."""
        self.changed = Event()
        self._unsaved: set[ExperimentId] = set()

    def holds(self, experiment: ExperimentId, flow: str | None = None) -> bool:
        """Has it to wait; or with `flow`, has that flow failed with it?"""
        case = self.cases.get(experiment)
        if case is None or not case.waits:
            return False
        return flow in case.failed if flow else case.failed != {DISPLAY}

    def isolating(self, experiment: ExperimentId, flow: str) -> "Isolation":
        """Whatever fails within for a reason of the experiment's own puts it into quarantine; the
        rest of the block is left out."""
        return Isolation(self, experiment, flow)

    def add(self, experiment: ExperimentId, flow: str, error: BaseException) -> None:
        """Let the experiment wait, longer each time it fails again after a try."""
        text = storable(f"{type(error).__name__}: {error}")[:MAX_REASON]
        case = self.cases.setdefault(experiment, Case(error, text, flow))
        case.failed.add(flow)
        if case.waits:
            return
        case.error, case.reason, case.flow = error, text, flow
        case.wait()
        QUARANTINES.labels(flow).inc()
        _log.error("experiment %s is in quarantine: %s failed", experiment, flow, exc_info=error)
        self._note(experiment)

    def park(self, experiment: ExperimentId, go_on: Callable[[], None]) -> None:
        """Call `go_on` when the experiment is tried again; at once if it does not wait."""
        case = self.cases.get(experiment)
        if case is None or not case.waits:
            go_on()
        else:
            case.parked.append(go_on)

    async def released(self, experiment: ExperimentId) -> None:
        """Return when the experiment has not to wait any more."""
        while self.holds(experiment):
            free = Event()
            self.park(experiment, free.set)
            await free.wait()

    async def divide(
        self, flow: str, items: Sequence[_Item], act: Callable[[Sequence[_Item]], Awaitable[None]]
    ) -> list[_Item]:
        """Do `act` with all at once or, if that fails by the fault of one, with each experiment's
        by themselves. Returns those with which it was done."""
        try:
            await act(items)
            return list(items)
        except Exception as error:
            if not is_own(error):
                raise
        groups: defaultdict[ExperimentId, list[_Item]] = defaultdict(list)
        for one in items:
            envelope = one if isinstance(one, Envelope) else one.envelope
            groups[envelope.experiment].append(one)
        done: list[_Item] = []
        for experiment, those in groups.items():
            with self.isolating(experiment, flow):
                await act(those)
                done += those
        return done

    def release(self, experiment: ExperimentId) -> None:
        """A person has asked for it: try at once, and count failures from the first."""
        if case := self.cases.get(experiment):
            case.failures = 0
            case.backoff.reset()
            self._try(experiment, case)

    def settle(self) -> None:
        """Try again what is due, and let go what has proved itself."""
        moment = time.monotonic()
        for experiment, case in list(self.cases.items()):
            if case.waits and moment >= case.retry_at:
                self._try(experiment, case)
            elif not case.waits and moment >= case.retry_at + QUIET_SECONDS:
                del self.cases[experiment]
                self._note(experiment)

    def _try(self, experiment: ExperimentId, case: Case) -> None:
        case.waits, case.retry_at = False, time.monotonic()
        case.failed.clear()
        parked, case.parked = case.parked, []
        for go_on in parked:
            go_on()
        self._note(experiment)

    def _note(self, experiment: ExperimentId) -> None:
        self._unsaved.add(experiment)
        self.changed.set()
        for listener in self.listeners:
            listener(experiment)

    def take_unsaved(self) -> dict[ExperimentId, Case | None]:
        """What has changed since the last call; None: it is not in quarantine any more."""
        unsaved, self._unsaved = self._unsaved, set()
        return {experiment: self.cases.get(experiment) for experiment in unsaved}


class Quarantines:
    """What Postgres has of quarantines: read by whoever shows them, and by the next owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    _SAVE = """
        WITH fence AS (SELECT FROM shard WHERE id = $1 AND epoch = $2 FOR SHARE),
        gone AS (DELETE FROM quarantine USING fence WHERE experiment = ANY($3))
        INSERT INTO quarantine (experiment, flow, reason, failures, since, retry_at)
        SELECT e.id, c.flow, c.reason, c.failures, c.since, now() + make_interval(secs => c.seconds)
        FROM fence, unnest($4::uuid[], $5::text[], $6::text[], $7::int[], $8::timestamptz[],
            $9::float8[]) AS c (experiment, flow, reason, failures, since, seconds)
        JOIN experiment e ON e.id = c.experiment AND e.id = ANY($4) AND e.shard = $1
        ON CONFLICT (experiment) DO UPDATE SET flow = excluded.flow, reason = excluded.reason,
            failures = excluded.failures, since = excluded.since, retry_at = excluded.retry_at
    """

    async def save(self, shard: Shard, epoch: int, cases: dict[ExperimentId, Case | None]) -> None:
        """Write down what has changed; under an epoch that is over nothing changes."""
        moment = time.monotonic()
        kept = {key: case for key, case in cases.items() if case is not None}
        await self._database.execute(
            self._SAVE,
            shard,
            epoch,
            [key for key, case in cases.items() if case is None],
            list(kept),
            [case.flow for case in kept.values()],
            [case.reason for case in kept.values()],
            [case.failures for case in kept.values()],
            [case.since for case in kept.values()],
            [max(0.0, case.retry_at - moment) for case in kept.values()],
        )

    async def load(self, shard: Shard) -> Quarantine:
        """The quarantine of a shard, as its last owner left it."""
        rows = await self._database.fetch(
            "SELECT q.*, extract(epoch FROM q.retry_at - now())::float8 AS seconds "
            "FROM quarantine q JOIN experiment e ON e.id = q.experiment WHERE e.shard = $1",
            shard,
        )
        quarantine = Quarantine()
        for row in rows:
            case = Case(None, row["reason"], row["flow"], row["since"])
            for _ in range(min(row["failures"], 10)):
                case.wait()
            case.failures = row["failures"]
            case.retry_at = time.monotonic() + row["seconds"]
            case.failed.add(row["flow"])
            quarantine.cases[ExperimentId(row["experiment"])] = case
        return quarantine

    async def find(self, experiments: Collection[ExperimentId]) -> dict[ExperimentId, Quarantined]:
        """Those of these experiments that are in quarantine."""
        rows = await self._database.fetch(
            "SELECT * FROM quarantine WHERE experiment = ANY($1)", list(experiments)
        )
        return {ExperimentId(row["experiment"]): _quarantined(row) for row in rows}


def _quarantined(row: Any) -> Quarantined:
    return Quarantined(row["flow"], row["reason"], row["failures"], row["since"], row["retry_at"])


class Isolation(NamedTuple):
    """A block of work for one experiment, whose own faults end it and nothing else. A class: blocks
    are many, and contextlib takes four times as long."""

    quarantine: Quarantine
    experiment: ExperimentId
    flow: str

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception) or not is_own(error):
            return False
        self.quarantine.add(self.experiment, self.flow, error)
        return True
