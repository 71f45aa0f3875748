"""The envelope of a fact, a signal or measurements on the bus: CloudEvents 1.0 in Kafka's binary
mode."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, get_args
from uuid import UUID

from pydantic import Field, TypeAdapter, ValidationError

from events.bus import Bus, Record
from events.diagnosis import Diagnosis
from events.facts import Fact
from events.ids import AttemptKey, ExperimentId, Shard, consequence
from events.metrics import Measurement, MetricsCompleted, MetricsReported, Point
from events.signals import Signal
from trialstream.attributes import TYPE_PREFIX, VERSION, UnreadableRecordError, attributes

Body = Fact | Signal | Measurement
_BODY: TypeAdapter[Body] = TypeAdapter(Annotated[Body, Field(discriminator="type")])
_FACTS = frozenset(fact.model_fields["type"].default for fact in get_args(Fact))

SOURCE = "/trialstream"
USUAL_BYTES, POINT_BYTES = 200, 70
"""About as many as a body and each of its points have as JSON."""
__all__ = [
    "SOURCE",
    "TYPE_PREFIX",
    "VERSION",
    "Body",
    "Envelope",
    "UnencodedRecord",
    "UnreadableRecordError",
    "decode",
    "encode",
    "read_body",
    "report_completion",
    "report_points",
    "send",
]


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event; its id follows from its cause, so repetitions collide."""

    id: UUID
    cause: UUID | None
    experiment: ExperimentId
    at: datetime
    body: Body
    sequence: int | None = None
    """Of a published fact: its place among the facts of its experiment, from 1 without gaps."""
    name: str | None = None
    """Of a published fact: its experiment's name."""
    namespace: str | None = None

    def consequences(self, bodies: Iterable[Body]) -> tuple["Envelope", ...]:
        """Wrap what follows from this event; the same again yields the same ids."""
        return tuple(
            Envelope(consequence(self.id, n), self.id, self.experiment, self.at, body)
            for n, body in enumerate(bodies)
        )


def encode(envelope: Envelope, topic: str, shard: Shard) -> Record:
    """The record for the bus: attributes in headers, the body as JSON, key = experiment id,
    partition = shard."""
    return Record(topic, shard, _key(envelope), _headers(envelope), _value(envelope))


class UnencodedRecord(Record):
    """The record of an envelope, encoded only when its bytes are asked for, which within one
    process is rare."""

    __slots__ = ("envelope", "size")
    envelope: Envelope
    size: int

    def __init__(self, envelope: Envelope, topic: str, shard: Shard) -> None:
        body, put = envelope.body, object.__setattr__
        points = len(body.points) if isinstance(body, MetricsReported) else 0
        put(self, "envelope", envelope)
        put(self, "topic", topic)
        put(self, "partition", shard)
        put(self, "size", USUAL_BYTES + POINT_BYTES * points)

    def __getattr__(self, name: str) -> Any:
        """Called for an attribute that is not set yet: each part is encoded once."""
        if name not in _PARTS:
            raise AttributeError(name)
        part = _PARTS[name](self.envelope)
        object.__setattr__(self, name, part)
        return part


def _key(envelope: Envelope) -> bytes:
    return str(envelope.experiment).encode()


def _value(envelope: Envelope) -> bytes:
    return envelope.body.model_dump_json(by_alias=True).encode()


def _headers(envelope: Envelope) -> tuple[tuple[str, bytes], ...]:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(envelope.id).encode()),
        ("ce_source", SOURCE.encode()),
        ("ce_type", f"{TYPE_PREFIX}{envelope.body.type}{VERSION}".encode()),
        ("ce_time", envelope.at.isoformat().encode()),
        ("ce_subject", str(envelope.experiment).encode()),
        ("content-type", b"application/json"),
    ]
    if envelope.cause is not None:
        headers.append(("ce_cause", str(envelope.cause).encode()))
    if envelope.sequence is not None:
        headers.append(
            ("ce_sequence", b"%020d" % envelope.sequence)
        )  # CloudEvents compares sequences as text
    if envelope.name is not None:
        headers.append(("ce_experiment", envelope.name.encode()))
    if envelope.namespace is not None:
        headers.append(("ce_namespace", envelope.namespace.encode()))
    return tuple(headers)


_PARTS: dict[str, Callable[[Envelope], Any]] = {"key": _key, "headers": _headers, "value": _value}


def decode(record: Record) -> Envelope:
    """Read a record back; raises UnreadableRecordError with the reason."""
    if isinstance(record, UnencodedRecord):
        return record.envelope
    seen = attributes(record)
    body = read_body(seen.type, record.value)
    return Envelope(
        seen.id,
        seen.cause,
        ExperimentId(seen.experiment),
        seen.at,
        body,
        seen.sequence,
        seen.name,
        seen.namespace,
    )


def read_body(kind: str, value: bytes) -> Body:
    """The body of a record with this ce_type. What people submit is read strictly; a fact may have
    been written by a newer version, so fields that are not known are ignored, also in its spec.
    Raises UnreadableRecordError."""
    if not (kind.startswith(TYPE_PREFIX) and kind.endswith(VERSION)):
        raise UnreadableRecordError(
            f"the type {kind!r} is not known; this version reads {TYPE_PREFIX}*{VERSION}"
        )
    try:
        is_fact = kind.removeprefix(TYPE_PREFIX).removesuffix(VERSION) in _FACTS
        body = _BODY.validate_json(value, extra="ignore" if is_fact else None)
    except ValidationError as error:
        raise UnreadableRecordError(
            f"the body is not valid: {error.errors(include_url=False)[0]['msg']}"
        ) from None
    if f"{TYPE_PREFIX}{body.type}{VERSION}" != kind:
        raise UnreadableRecordError(f"the header says {kind!r}, the body {body.type!r}")
    return body


async def send(bus: Bus, topic: str, shard: Shard, envelopes: Iterable[Envelope]) -> None:
    """Publish envelopes to the shard's partition of `topic`."""
    record = encode if bus.durable else UnencodedRecord  # what outlives this process is bytes
    await bus.publish([record(envelope, topic, shard) for envelope in envelopes])


def report_points(key: AttemptKey, points: Sequence[Point], at: datetime) -> Envelope:
    """The envelope of some points of an attempt, at least one; the same points again get the same
    id."""
    body = MetricsReported(trial=key.trial, attempt=key.attempt, points=tuple(points))
    return _measured(key, body, f"{points[0].metric}/{points[0].step}", at)


def report_completion(
    key: AttemptKey,
    at: datetime,
    diagnosis: Diagnosis | None = None,
    texts: Mapping[str, str] | None = None,
) -> Envelope:
    """The envelope that says that everything an attempt reported is sent; sent again, it has the
    same id."""
    body = MetricsCompleted(
        trial=key.trial, attempt=key.attempt, diagnosis=diagnosis, texts=texts or {}
    )
    return _measured(key, body, "completed", at)


def _measured(key: AttemptKey, body: Measurement, part: str, at: datetime) -> Envelope:
    envelope_id = consequence(key.experiment, f"{body.type}/{key.trial}/{key.attempt}/{part}")
    return Envelope(envelope_id, None, key.experiment, at, body)
