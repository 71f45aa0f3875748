"""What each look at an object needs, and what is remembered of it between two looks."""

from collections import deque
from dataclasses import dataclass, field

from controller.cluster.kubernetes.experiments import Experiments
from controller.cluster.kubernetes.projection import MOST_NAMES
from controller.cluster.kubernetes.trial_objects import ShownTrial
from controller.flows.admit import Check
from controller.flows.reconcile.finished import FinishedTrials
from controller.store.ledger import Ledger
from controller.store.queries import Queries
from events.backoff import Backoff
from events.bus import Bus
from events.facts import TrialConcluded
from events.ids import AttemptKey

INTERVAL_SECONDS = 0.5
"""Between two looks at one object, at least: what changes in between is shown together."""
AFTER_ERROR_SECONDS = (0.5, 30.0)
"""Before the first and between later tries."""
Delay = float | None
"""Seconds until the next look; None: only when something has changed."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What every look needs. `check`: whether a spec can run here."""

    experiments: Experiments
    ledger: Ledger
    queries: Queries
    bus: Bus
    check: Check


@dataclass(slots=True)
class Record:
    """What is remembered of an object. Moments are those of the monotonic clock."""

    looked_at: float = float("-inf")
    asked_at: float = float("-inf")
    """When something was last asked for because of it."""
    shown_at: float = float("-inf")
    settled: str = ""
    """The version of the object with which there is nothing more to do."""
    changed: bool = False
    """Have there been facts since the last look began? What it saw may be older."""
    best: ShownTrial | None = None
    ends: deque[TrialConcluded] = field(default_factory=lambda: deque(maxlen=MOST_NAMES))
    """Conclusions of which no event has told yet."""
    finished: FinishedTrials = field(default_factory=FinishedTrials)
    pending: dict[AttemptKey, float] = field(default_factory=dict)
    """Since when trials are known that are not shown yet."""
    backoff: Backoff = field(default_factory=lambda: Backoff(*AFTER_ERROR_SECONDS))


def sooner(one: Delay, other: Delay) -> Delay:
    return min((delay for delay in (one, other) if delay is not None), default=None)
