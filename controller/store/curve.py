"""One curve: what an attempt has reported of one metric, summed up, and which of its points are
kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from math import isfinite, nan
from operator import itemgetter, lt
from typing import NamedTuple

from events.ids import AttemptKey, ExperimentId, TrialNumber
from events.metrics import Point
from events.spec.objective import Summary


class CurveKey(NamedTuple):
    """A metric of an attempt."""

    experiment: ExperimentId
    trial: TrialNumber
    attempt: int
    metric: str

    @property
    def of(self) -> AttemptKey:
        return AttemptKey(self.experiment, self.trial, self.attempt)


STEP, AT, VALUE = itemgetter(1), itemgetter(2), itemgetter(3)
"""Of a point, faster than by name."""


@dataclass(slots=True)
class Curve:
    """The running summary of a curve.

    Its points come in the order of their steps: one whose step is not above the last was reported
    before, and counts once. The latest value is that of the latest time, of equal times that of the
    later report. From the quota on only each `stride`-th step is kept, and beside them the least,
    the greatest, the latest and the last value.
    """

    count: int = 0
    last: int = 0
    """The step of the last point."""
    latest: float = nan
    min: float | None = None
    max: float | None = None
    min_step: int = 0
    """The step of the least value; 0 = not known."""
    max_step: int = 0
    stride: int = 1
    kept: int = 0
    """Points that are stored."""
    latest_at: datetime | None = None
    """The time of the latest value; None = not known."""
    latest_step: int = 0

    @property
    def marked(self) -> set[int]:
        """The steps that are kept whatever the stride."""
        return {self.min_step, self.max_step, self.last, self.latest_step}

    @property
    def summary(self) -> Summary:
        latest = self.latest if isfinite(self.latest) else None
        return Summary(min=self.min, max=self.max, latest=latest, count=self.count)

    def take(self, points: Sequence[Point]) -> tuple[Sequence[Point], Sequence[int]]:
        """Add what is new of points of this metric: those to store, and the steps of those that
        need not be kept any more."""
        fresh = self._fresh(points)
        if not fresh:
            return (), ()
        if self.stride == 1:
            self._add(fresh)
            self.kept += len(fresh)
            return fresh, ()
        before = self.marked
        self._add(fresh)
        marked = self.marked
        fresh = [one for one in fresh if self._on_stride(one.step) or one.step in marked]
        obsolete = [step for step in before - marked if step and not self._on_stride(step)]
        self.kept += len(fresh) - len(obsolete)
        return fresh, obsolete

    def _on_stride(self, step: int) -> bool:
        return (step - 1) % self.stride == 0

    def _fresh(self, points: Sequence[Point]) -> Sequence[Point]:
        if points[0].step > self.last:
            steps = list(map(STEP, points))
            if all(map(lt, steps, islice(steps, 1, None))):
                return points
        fresh, last = list[Point](), self.last
        for point in points:
            if point.step > last:
                fresh.append(point)
                last = point.step
        return fresh

    def _add(self, fresh: Sequence[Point]) -> None:
        self.count += len(fresh)
        self.last = fresh[-1].step
        times = list(map(AT, fresh))
        newest = max(times)
        if self.latest_at is None or newest >= self.latest_at:
            latest = fresh[-1] if times[-1] == newest else fresh[_last(times, newest)]
            _, self.latest_step, self.latest_at, self.latest = latest
        values = list(map(VALUE, fresh))
        if not all(map(isfinite, values)):
            fresh = [one for one in fresh if isfinite(one.value)]
            values = list(map(VALUE, fresh))
        if not values:
            return
        least, greatest = min(values), max(values)
        if self.min is None or least < self.min:
            self.min, self.min_step = least, fresh[values.index(least)].step
        if self.max is None or greatest > self.max:
            self.max, self.max_step = greatest, fresh[values.index(greatest)].step


def _last(times: Sequence[datetime], one: datetime) -> int:
    return len(times) - 1 - times[::-1].index(one)
