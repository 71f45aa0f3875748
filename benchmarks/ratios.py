"""The ratio of two revisions' times from measurements in pairs, and how sure it is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev

from scipy.special import stdtrit

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure of two revisions.

    `ratio` is the new time over the old one, of a rate the old one over the new one: above 1 is
    slower, or more. It is the geometric mean of the pairs, None where a value is not above 0. `low`
    and `high` are Student's interval of their logarithms, None where there are fewer than two
    pairs.
    """

    old: tuple[float, ...]
    new: tuple[float, ...]
    ratio: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def medians(self) -> tuple[float, float]:
        return median(self.old), median(self.new)

    def surely_above(self, limit: float) -> bool:
        """Whether the whole interval lies beyond the limit; never without an interval."""
        return self.low is not None and self.low > limit


def compared(old: Sequence[float], new: Sequence[float], *, rate: bool) -> Ratio:
    """The ratio of times of the same number of old and new values, each pair measured one after the
    other."""
    if min(*old, *new) <= 0:
        return Ratio(tuple(old), tuple(new))
    over = [
        math.log(after / before) * (-1 if rate else 1)
        for before, after in zip(old, new, strict=True)
    ]
    middle = fmean(over)
    if len(over) < 2:
        return Ratio(tuple(old), tuple(new), math.exp(middle))
    reach = _students_t(len(over) - 1) * stdev(over) / math.sqrt(len(over))
    return Ratio(
        tuple(old), tuple(new), math.exp(middle), math.exp(middle - reach), math.exp(middle + reach)
    )


def _students_t(freedom: int) -> float:
    """What Student's t does not exceed, on either side, with the probability CONFIDENCE."""
    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
