"""Measurements: the values that an attempt reported, and the message that there are no more."""

from typing import Annotated, Literal, NamedTuple

from pydantic import AwareDatetime, ConfigDict, Field, WithJsonSchema

from events.ids import TrialNumber
from events.model import Message

MAX_METRIC_NAME = 128
"""Characters; metrics with longer names are not collected."""

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

    metric: str
    step: int
    at: AwareDatetime
    value: Value


class MetricsReported(Message):
    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="strings")

    type: Literal["metrics.reported"] = "metrics.reported"
    trial: TrialNumber
    attempt: int
    points: tuple[Point, ...]


class MetricsCompleted(Message):
    """The attempt's collector has reported everything, to the last line."""

    type: Literal["metrics.completed"] = "metrics.completed"
    trial: TrialNumber
    attempt: int


Measurement = MetricsReported | MetricsCompleted
AnyMeasurement = Annotated[Measurement, Field(discriminator="type")]
