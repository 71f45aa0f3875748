"""One event as a subscriber gets it: a fact with its place, typed, or raw if this version does not
know it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from trialstream.attributes import (
    TYPE_PREFIX,
    VERSION,
    Attributes,
    UnreadableRecordError,
    attributes,
)
from trialstream.facts import Fact
from trialstream.reading import read_fact
from trialstream.records import Delivery
from trialstream.tokens import StreamPosition


@dataclass(frozen=True)
class UnknownEvent:
    """The body of an event that a newer version has written: its type or a value in it is not known
    here."""

    type: str
    raw: bytes
    reason: str


@dataclass(frozen=True)
class Event:
    id: UUID
    """Unique: the same event delivered again has the same id."""
    experiment: UUID
    name: str | None
    """The experiment's name."""
    namespace: str | None
    sequence: int
    """Its place among the events of its experiment: 1, 2, 3 … without gaps."""
    at: datetime
    """When it was decided, with a time zone."""
    body: Fact | UnknownEvent
    cause: UUID | None
    """The id of what was asked or observed and led to it."""
    delivery: Delivery
    """The record as Kafka has it."""
    place: StreamPosition
    """Where to go on after this event."""

    @property
    def type(self) -> str:
        """Such as `trial.concluded`."""
        return self.body.type

    @property
    def trial(self) -> int | None:
        """The number of the trial that it is about, if any."""
        if isinstance(self.body, UnknownEvent):
            tree = _json(self.body.raw)
            number = tree.get("trial") if isinstance(tree, dict) else None
            return number if isinstance(number, int) else None
        return getattr(self.body, "trial", None)

    @property
    def token(self) -> str:
        """Subscribe with `start=token` to go on after this event."""
        return self.place.token

    def as_cloud_event(self) -> dict[str, Any]:
        """As a CloudEvent 1.0 in JSON: all attributes as published, and the data, also what is not
        known here."""
        record = self.delivery.record
        headers = {name: value.decode(errors="replace") for name, value in record.headers}
        tree = {
            name.removeprefix("ce_"): value
            for name, value in headers.items()
            if name.startswith("ce_")
        }
        data = _json(record.value)
        if data is None:
            return {**tree, "data_base64": base64.b64encode(record.value).decode()}
        return {
            **tree,
            "datacontenttype": headers.get("content-type", "application/json"),
            "data": data,
        }


def read_event(delivery: Delivery, place: StreamPosition) -> Event:
    """Raises UnreadableRecordError if the record is not an event of an experiment at all."""
    seen = attributes(delivery.record)
    if seen.sequence is None:
        raise UnreadableRecordError("the header ce_sequence is missing")
    return Event(
        id=seen.id,
        experiment=seen.experiment,
        name=seen.name,
        namespace=seen.namespace,
        sequence=seen.sequence,
        at=seen.at,
        body=_body(seen, delivery.record.value),
        cause=seen.cause,
        delivery=delivery,
        place=place,
    )


def _body(seen: Attributes, value: bytes) -> Fact | UnknownEvent:
    try:
        return read_fact(seen.type, value)
    except UnreadableRecordError as error:
        return UnknownEvent(_short(seen.type), value, str(error))


def _short(kind: str) -> str:
    """Such as `trial.concluded`; of another version, `trial.concluded.v2`."""
    kind = kind[len(TYPE_PREFIX) :] if kind.startswith(TYPE_PREFIX) else kind
    return kind[: -len(VERSION)] if kind.endswith(VERSION) else kind


def _json(value: bytes) -> Any:
    """None if it is not JSON."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None
