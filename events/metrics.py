"""Measurements: the values that an attempt reported, and the message that there are no more."""

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple, TypeGuard

from pydantic import ConfigDict, Field, StringConstraints, WithJsonSchema

from events.diagnosis import Diagnosis
from events.ids import Trial
from events.model import WITHOUT_NUL, Many, MappingKey, Message, MessageText, Positive, Time

MAX_METRIC_NAME = 128
"""Characters; metrics with longer names are not collected."""
MOST_TEXTS = 10
"""Metrics of one attempt that may be texts, of LONGEST_MESSAGE characters each: so they fit into a
record."""

MetricName = Annotated[str, StringConstraints(max_length=MAX_METRIC_NAME, pattern=WITHOUT_NUL)]
Value = Annotated[
    float,
    WithJsonSchema(
        {
            "anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}],
            "title": "Value",
        }
    ),
]


class Point(NamedTuple):
    """One value. `step` counts the reports of this metric in this attempt, from 1; the value may be
    NaN or infinite."""

    metric: MetricName
    step: Positive
    at: Time
    value: Value


class MetricsReported(Message):
    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="strings")

    type: Literal["metrics.reported"] = "metrics.reported"
    trial: Trial
    attempt: Positive
    points: Annotated[tuple[Point, ...], Many]


class MetricsCompleted(Message):
    """The attempt's collector has reported everything, to the last line."""

    type: Literal["metrics.completed"] = "metrics.completed"
    trial: Trial
    attempt: Positive
    diagnosis: Diagnosis | None = None
    """Where metrics are missing, or something was left out."""
    texts: Annotated[Mapping[MappingKey, MessageText], Field(max_length=MOST_TEXTS)] = Field(
        default_factory=dict
    )
    """The last text of each metric that is one."""


Measurement = MetricsReported | MetricsCompleted
AnyMeasurement = Annotated[Measurement, Field(discriminator="type")]


def is_measurement(message: object) -> TypeGuard[Measurement]:
    """Is it a measurement?"""
    return isinstance(message, Measurement)
