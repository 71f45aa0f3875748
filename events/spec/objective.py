"""What is optimised: metrics, their direction, goal, and which of a trial's values counts."""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from events.model import Int64, Many, MappingKey, Message, SpecPart, Text


class Direction(StrEnum):
    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


class Strategy(StrEnum):
    """Which of the values that a trial reported for a metric is *the* value."""

    MIN = "min"
    MAX = "max"
    LATEST = "latest"


class MetricStrategy(SpecPart):
    name: Text
    value: Strategy


class Summary(Message):
    """All values of one metric in one attempt: finite ones only; `latest` is None if the last was
    not finite."""

    min: float | None = None
    max: float | None = None
    latest: float | None = None
    count: Int64 = 0
    """Values reported, the non-finite ones included."""
    text: Text | None = None
    """The last text, of a metric that is one; it is no value, and never ranks."""

    def finite(self, strategy: Strategy) -> float | None:
        """The value that counts by `strategy`; None if it is not finite."""
        value: float | None = getattr(self, strategy)
        return value if value is not None and math.isfinite(value) else None


Observation = Annotated[Mapping[MappingKey, Summary], Many]
"""Metric name → its summary, for one attempt of a trial."""


class Objective(SpecPart):
    """One metric to optimise. Additional metrics are recorded and shown, not optimised."""

    type: Direction
    metric: Text = Field(alias="objectiveMetricName")
    goal: float | None = None
    reference: float | None = None
    """Ours: with several objectives, where the hypervolume is measured from."""
    additional_metric_names: Annotated[tuple[Text, ...], Many] = ()
    metric_strategies: Annotated[tuple[MetricStrategy, ...], Many] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        return (self.metric, *self.additional_metric_names)

    def strategy(self, metric: str) -> Strategy:
        """The strategy asked for, else (as in Katib) the extreme in the objective's direction."""
        for entry in self.metric_strategies:
            if entry.name == metric:
                return entry.value
        return self.default_strategy

    @property
    def default_strategy(self) -> Strategy:
        return Strategy.MIN if self.type is Direction.MINIMIZE else Strategy.MAX

    def value(self, observation: Observation, metric: str | None = None) -> float | None:
        """The value of `metric` (default: the objective) that counts; None if there is no finite
        one."""
        name = self.metric if metric is None else metric
        summary = observation.get(name)
        return None if summary is None else summary.finite(self.strategy(name))

    def loss(self, value: float) -> float:
        """The value as something to minimise."""
        return value if self.type is Direction.MINIMIZE else -value

    def better(self, a: float, b: float) -> bool:
        """Is `a` strictly better than `b`?"""
        return self.loss(a) < self.loss(b)

    def reached(self, value: float) -> bool:
        """Has `value` reached the goal?"""
        return self.goal is not None and self.loss(value) <= self.loss(self.goal)
