"""Which value of a trial counts, and which of two is better."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.spec.objective import Direction, MetricStrategy, Objective, Strategy, Summary

finite = st.floats(allow_nan=False, allow_infinity=False)
SEEN = {"loss": Summary(min=0.1, max=0.9, latest=0.5, count=3), "lost": Summary(count=2)}


def objective(
    direction: Direction, goal: float | None = None, strategy: Strategy | None = None
) -> Objective:
    strategies = (MetricStrategy(name="loss", value=strategy),) if strategy else ()
    return Objective(
        type=direction,
        objectiveMetricName="loss",
        goal=goal,
        additional_metric_names=("lost", "gone"),
        metric_strategies=strategies,
    )


@pytest.mark.parametrize(
    ("direction", "strategy", "value"),
    [
        (Direction.MINIMIZE, None, 0.1),
        (Direction.MAXIMIZE, None, 0.9),
        (Direction.MINIMIZE, Strategy.LATEST, 0.5),
        (Direction.MINIMIZE, Strategy.MAX, 0.9),
        (Direction.MAXIMIZE, Strategy.MIN, 0.1),
    ],
)
def test_the_value_that_counts(
    direction: Direction, strategy: Strategy | None, value: float
) -> None:
    target = objective(direction, strategy=strategy)
    assert target.value(SEEN) == target.value(SEEN, "loss") == value


def test_a_metric_without_a_finite_value_has_none() -> None:
    target = objective(Direction.MINIMIZE)
    assert target.value(SEEN, "lost") is None
    assert target.value(SEEN, "gone") is None
    assert target.value({}) is None
    assert target.value({"loss": Summary.model_construct(min=math.nan, max=math.inf)}) is None
    assert (
        objective(Direction.MINIMIZE, strategy=Strategy.LATEST).value(
            {"loss": Summary(min=1, max=2, count=3)}
        )
        is None
    )


def test_all_metrics_objective_first() -> None:
    assert objective(Direction.MINIMIZE).metrics == ("loss", "lost", "gone")


@given(finite, finite)
def test_better_is_a_strict_order_that_follows_the_loss(a: float, b: float) -> None:
    for direction in Direction:
        target = objective(direction)
        assert target.better(a, b) == (target.loss(a) < target.loss(b))
        assert not (target.better(a, b) and target.better(b, a))
        assert target.better(a, b) or target.better(b, a) or a == b
    assert objective(Direction.MINIMIZE).better(a, b) == (a < b)
    assert objective(Direction.MAXIMIZE).better(a, b) == (a > b)


@pytest.mark.parametrize(
    ("direction", "goal", "value", "reached"),
    [
        (Direction.MINIMIZE, 0.1, 0.1, True),
        (Direction.MINIMIZE, 0.1, 0.05, True),
        (Direction.MINIMIZE, 0.1, 0.11, False),
        (Direction.MAXIMIZE, 0.9, 0.9, True),
        (Direction.MAXIMIZE, 0.9, 0.95, True),
        (Direction.MAXIMIZE, 0.9, 0.89, False),
        (Direction.MINIMIZE, None, -1e308, False),
        (Direction.MINIMIZE, 0.0, -0.0, True),
        (Direction.MINIMIZE, 0.1, math.nan, False),
        (Direction.MAXIMIZE, 0.1, math.nan, False),
    ],
)
def test_the_goal(direction: Direction, goal: float | None, value: float, reached: bool) -> None:
    assert objective(direction, goal).reached(value) is reached
