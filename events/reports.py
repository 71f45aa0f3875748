"""The envelopes in which the measurements of an attempt travel: sent again, they have the same ids."""

from collections.abc import Sequence
from datetime import datetime

from events.envelope import Envelope
from events.ids import AttemptKey, consequence
from events.metrics import Measurement, MetricsCompleted, MetricsReported, Point


def reported(key: AttemptKey, points: Sequence[Point], at: datetime) -> Envelope:
    """Some points of an attempt, at least one."""
    body = MetricsReported(trial=key.trial, attempt=key.attempt, points=tuple(points))
    return _enclosed(key, body, f"{points[0].metric}/{points[0].step}", at)


def completed(key: AttemptKey, at: datetime) -> Envelope:
    """The word that all is reported."""
    return _enclosed(key, MetricsCompleted(trial=key.trial, attempt=key.attempt), "completed", at)


def _enclosed(key: AttemptKey, body: Measurement, part: str, at: datetime) -> Envelope:
    envelope_id = consequence(key.experiment, f"{body.type}/{key.trial}/{key.attempt}/{part}")
    return Envelope(envelope_id, None, key.experiment, at, body)
