"""What comes faster than it may is thinned, and nothing by which a trial is judged is lost."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.limits import Limits
from collectors.sources.rate import BURST_SECONDS, Rate
from collectors.sources.registry import source_for
from events.clock import now
from events.metrics import Point
from events.spec.collector import MetricsCollectorSpec

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


class Clock:
    """Moments as a test says."""

    def __init__(self) -> None:
        self.moment = 100.0

    def __call__(self) -> float:
        return self.moment


def points(first: int, count: int, metric: str = "loss") -> list[Point]:
    return [Point(metric, step, NOON, float(step)) for step in range(first, first + count)]


def test_what_comes_slowly_all_passes() -> None:
    clock = Clock()
    rate = Rate(10, clock)
    for second in range(200):
        some = points(1 + 10 * second, 10)
        assert rate.thin(some) == some
        clock.moment += 1


def test_what_comes_too_fast_is_thinned_to_the_rate() -> None:
    clock = Clock()
    rate = Rate(100, clock)
    first = points(1, 100 * BURST_SECONDS)
    assert rate.thin(first) == first
    kept = 0
    for second in range(60):
        clock.moment += 1
        found = rate.thin(points(1 + 10_000 * second, 5_000))
        assert len(found) >= 3
        kept += len(found)
    assert 60 * 50 <= kept <= 60 * 103
    clock.moment += BURST_SECONDS
    assert rate.thin(first) == first


VALUES = st.floats(width=32) | st.sampled_from([math.nan, math.inf, -math.inf])


@given(
    st.lists(st.tuples(st.sampled_from("ab"), VALUES, st.integers(-5, 5)), max_size=60),
    st.integers(0, 20),
)
def test_what_a_trial_is_judged_by_stays(reports: list[tuple[str, float, int]], spent: int) -> None:
    rate = Rate(1, Clock())
    rate.thin(points(1, BURST_SECONDS - spent))
    told = [
        Point(metric, step, NOON + timedelta(seconds=at), value)
        for step, (metric, value, at) in enumerate(reports, 1)
    ]
    kept = rate.thin(told)
    assert kept == [one for one in told if one in kept]
    assert bool(kept) == bool(told)
    for metric in {one.metric for one in told}:
        whole, some = ([one for one in each if one.metric == metric] for each in (told, kept))
        assert _judged(whole) == _judged(some)


def _judged(some: list[Point]) -> list[object]:
    finite = [one.value for one in some if math.isfinite(one.value)]
    latest = max(some, key=lambda one: (one.at, one.step))
    return [min(finite, default=None), max(finite, default=None), latest.step, some[-1].step]


@pytest.mark.parametrize("limit", [None, 10])
def test_a_source_is_thinned_where_the_settings_say_so(tmp_path: Path, limit: int | None) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"loss={number}\n" for number in range(20_000)))
    limits = Limits(points_per_second=limit)
    source = source_for(MetricsCollectorSpec(), ["loss"], log, now, limits)
    found: list[Point] = []
    while some := source.finish():
        found += some
    assert (len(found) == 20_000) == (limit is None)
    assert found[-1].step == 20_000
    assert source.diagnosis() is None
    again = source_for(MetricsCollectorSpec(), ["loss"], log, now, limits)
    again.restore(source.state())
    assert again.finish() == []
