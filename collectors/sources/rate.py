"""Thins what a trial reports faster than an installation takes it; extremes and the last stay."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from collectors.sources import Source, Watch
from events.diagnosis import Diagnosis
from events.metrics import Point

BURST_SECONDS = 60
"""The rate is that over so long: what was written before anybody read comes at once."""


class Rate:
    """How many points of an attempt may still pass."""

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._left = float(per_second * BURST_SECONDS)
        self._filled_at = clock()

    def thin(self, points: Sequence[Point]) -> list[Point]:
        """Those of one reading that pass, in order; of each metric at least the least, the
        greatest, the latest and the last, so a reading with points keeps some."""
        moment = self._clock()
        filled = self._left + (moment - self._filled_at) * self._per_second
        self._left, self._filled_at = min(filled, self._per_second * BURST_SECONDS), moment
        kept = list(points)
        if len(points) > self._left:
            stride = 2 ** math.ceil(math.log2(len(points) / max(1.0, self._left)))
            needed = _needed(points)
            kept = [
                point
                for place, point in enumerate(points)
                if place in needed or (self._left >= 1 and (point.step - 1) % stride == 0)
            ]
        self._left = max(0.0, self._left - len(kept))
        return kept


def _needed(points: Sequence[Point]) -> set[int]:
    """The places of the points by which a trial is judged."""
    places: dict[str, list[int]] = {}
    for place, point in enumerate(points):
        places.setdefault(point.metric, []).append(place)
    needed = set[int]()
    for those in places.values():
        finite = [place for place in those if math.isfinite(points[place].value)] or those
        needed.add(min(finite, key=lambda place: points[place].value))
        needed.add(max(finite, key=lambda place: points[place].value))
        needed.add(max(those, key=lambda place: (points[place].at, points[place].step)))
        needed.add(those[-1])
    return needed


class Thinned:
    """A source of which not more points pass than a rate allows."""

    def __init__(self, source: Source, rate: Rate) -> None:
        self._source, self._rate = source, rate

    def read(self) -> list[Point]:
        """As Source.read."""
        return self._rate.thin(self._source.read())

    def finish(self) -> list[Point]:
        """As Source.finish."""
        return self._rate.thin(self._source.finish())

    def diagnosis(self) -> Diagnosis | None:
        """As Source.diagnosis."""
        return self._source.diagnosis()

    def texts(self) -> Mapping[str, str]:
        """As Source.texts."""
        return self._source.texts()

    def state(self) -> bytes:
        """As Source.state."""
        return self._source.state()

    def restore(self, state: bytes) -> None:
        """As Source.restore."""
        self._source.restore(state)

    def watching(self, changed: Callable[[], None]) -> AbstractContextManager[Watch]:
        """As Source.watching."""
        return self._source.watching(changed)
