"""What a scheduler decides about a running trial when it is told of a report."""

from __future__ import annotations

from dataclasses import dataclass

from events.spec.space import Assignment


@dataclass(frozen=True, slots=True)
class Continue:
    """The trial goes on."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The trial ends now; what it has reported is its result."""

    reason: str
    """In words that people read, such as `after report 4 its best loss is worse than the
    median`."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The trial stands still, and its place is free, until it is promoted or stopped (ASHA, Li et
    al. 2020).
    """


@dataclass(frozen=True, slots=True)
class Promote:
    """The trial, running or paused, goes on to a higher fidelity (successive halving, Jamieson and
    Talwalkar 2016).
    """

    fidelity: float
    """How far, in the unit of the experiment's fidelity parameter, such as epochs."""


@dataclass(frozen=True, slots=True)
class Clone:
    """The trial goes on from a checkpoint of another (population based training, Jaderberg et al.
    2017).
    """

    source: int
    """The number of the trial whose checkpoint is taken."""
    assignment: Assignment
    """The parameters with which the trial goes on."""


SchedulingDecision = Continue | Stop | Pause | Promote | Clone
CONTINUE = Continue()
