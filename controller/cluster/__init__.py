"""The port to the places where trials run, and the promises that each of them keeps.

1. `start` is idempotent: however often it is called for an attempt, whoever calls it, the attempt
   runs at most once.
2. `stop` is idempotent and returns before the end; an attempt that never started is ended, too, and
   stays so.
3. `watch` yields the start and the end of every attempt at least once; nothing more after the end.
4. `sweep` yields again what `watch` may have missed, and stops what is not wanted.

`tests/contracts/test_cluster.py` examines each place.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from controller.core.experiment import Experiment, Identity
from events.facts import Cause
from events.ids import AttemptKey, ExperimentId, Shard, trial_name
from events.spec.experiment import ExperimentSpec
from events.spec.space import Assignment

__all__ = ["AttemptKey", "Cluster", "Ended", "Event", "Launch", "Started", "Waiting"]


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything a place needs to run an attempt."""

    key: AttemptKey
    experiment: str
    namespace: str
    spec: ExperimentSpec
    assignment: Assignment
    origin: str | None = None
    shard: Shard | None = None
    """The shard to which the attempt's collector reports."""

    @classmethod
    def of(
        cls, experiment: Experiment, key: AttemptKey, assignment: Assignment, shard: Shard
    ) -> "Launch":
        """The launch of an attempt of an experiment's trial."""
        of = experiment.identity
        return cls(key, of.name, of.namespace, of.spec, assignment, of.origin, shard)

    @property
    def name(self) -> str:
        return trial_name(self.experiment, self.key.trial)

    def digest(self) -> str:
        """Of its assignment, 16 hexadecimal digits: a number has the same one however it was
        written down."""
        numbers = (int, float)
        values = {
            name: float(value) if type(value) in numbers else value
            for name, value in self.assignment.items()
        }
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Waiting:
    """The attempt does not run yet, for a reason that users should see."""

    key: AttemptKey
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    key: AttemptKey
    collector: bool = False
    """Does a collector process of its own report the attempt's measurements?"""


@dataclass(frozen=True, slots=True)
class Ended:
    key: AttemptKey
    cause: Cause
    exit_code: int | None = None
    message: str = ""
    collector: bool = False
    """Does a collector process of its own report the attempt's measurements, and when they are
    complete?"""


Event = Waiting | Started | Ended


class Cluster(Protocol):
    async def start(self, launch: Launch) -> bool:
        """Start the attempt; what cannot be started is yielded by `watch` as Ended(SPAWN_FAILURE).

        False: not now; `watch` yields why, and the caller tries again later."""
        ...

    async def stop(self, key: AttemptKey) -> None:
        """SIGTERM, grace, SIGKILL to all of the attempt; its end is yielded by `watch`."""
        ...

    def watch(self) -> AsyncIterator[Event]: ...

    async def forget(self, experiment: Identity) -> None:
        """Delete what is kept of an experiment; nothing of it may run any more. Idempotent."""
        ...

    def present(self) -> Collection[ExperimentId]:
        """The experiments that have something a sweep would end, were nothing of them wanted."""
        ...

    async def sweep(
        self,
        experiment: Identity,
        expected: Collection[AttemptKey],
        wanted: Callable[[AttemptKey], bool],
    ) -> None:
        """Compare with what is there: yield again what runs or has ended of `expected` (LOST if
        there is no trace of it), and stop what runs of this experiment and is not `wanted` at that
        moment."""
        ...
