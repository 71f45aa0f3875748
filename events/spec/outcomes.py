"""Outcome constraints: limits that the metrics of the best trial must keep, such as `latency_ms <=
20`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from events.spec.space import number

_TEXT = re.compile(r"(?P<metric>\S(?:.*\S)?)\s*(?P<relation><=|>=)\s*(?P<bound>\S+)\s*")


@dataclass(frozen=True, slots=True)
class OutcomeConstraint:
    """An upper or a lower bound of one metric; the bound itself is allowed."""

    metric: str
    upper: bool
    bound: float

    def missed(self, value: float) -> float:
        """By how much `value` is beyond the bound, in the metric's unit; 0 if it is not."""
        return max(0.0, value - self.bound if self.upper else self.bound - value)

    def share(self, amount: float) -> float:
        """An amount by which it is missed, as a share of the bound: amounts of several metrics can
        be compared."""
        return amount / (abs(self.bound) or 1.0)


@lru_cache(maxsize=1000)
def parse_outcome_constraint(text: str) -> OutcomeConstraint:
    """Read `METRIC <= NUMBER` or `METRIC >= NUMBER`; the last sign counts, should the metric's name
    have one.

    Raises ValueError with what is wrong.
    """
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"{text!r} must read METRIC <= NUMBER or METRIC >= NUMBER, such as latency_ms <= 20"
        )
    try:
        bound = float(number(found["bound"]))
    except ValueError as error:
        raise ValueError(
            f"{text!r}: on the right of {found['relation']} {error}; write METRIC <= NUMBER"
        ) from None
    return OutcomeConstraint(found["metric"], found["relation"] == "<=", bound)


def feasible(violations: Sequence[float | None]) -> bool:
    """Does every constraint hold? One that is not known, for want of its metric, does not."""
    return all(amount == 0 for amount in violations)
