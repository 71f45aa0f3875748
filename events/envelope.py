"""What surrounds a fact, a signal or measurements on the bus: CloudEvents 1.0, Kafka binary mode."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, TypeAdapter, ValidationError

from events.bus import Bus, Record
from events.facts import Fact
from events.ids import ExperimentId, Shard, consequence
from events.metrics import Measurement
from events.signals import Signal

Body = Fact | Signal | Measurement
_BODY: TypeAdapter[Body] = TypeAdapter(Annotated[Body, Field(discriminator="type")])

SOURCE = "/trialstream"
TYPE_PREFIX = "io.trialstream."
VERSION = ".v1"


class UnreadableRecordError(ValueError):
    """The record is no envelope that this version understands."""


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

    def consequences(self, bodies: Iterable[Body]) -> tuple["Envelope", ...]:
        """Wrap what follows from this event; the same again yields the same ids."""
        return tuple(
            Envelope(consequence(self.id, n), self.id, self.experiment, self.at, body) for n, body in enumerate(bodies)
        )


def encode(envelope: Envelope, topic: str, shard: Shard) -> Record:
    """The record for the bus: attributes in headers, the body as JSON, key = experiment id, partition = shard."""
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
        headers.append(("ce_sequence", b"%020d" % envelope.sequence))  # CloudEvents compares sequences as text
    return Record(
        topic=topic,
        partition=shard,
        key=str(envelope.experiment).encode(),
        headers=tuple(headers),
        value=envelope.body.model_dump_json(by_alias=True).encode(),
    )


def decode(record: Record) -> Envelope:
    """Read a record back; raises UnreadableRecordError with the reason."""
    headers = dict(record.headers)
    try:
        kind = headers["ce_type"].decode()
        if not (kind.startswith(TYPE_PREFIX) and kind.endswith(VERSION)):
            raise UnreadableRecordError(f"the type {kind!r} is not known; this version reads {TYPE_PREFIX}*{VERSION}")
        body = _BODY.validate_json(record.value)
        if f"{TYPE_PREFIX}{body.type}{VERSION}" != kind:
            raise UnreadableRecordError(f"the header says {kind!r}, the body {body.type!r}")
        cause, sequence = headers.get("ce_cause"), headers.get("ce_sequence")
        at = datetime.fromisoformat(headers["ce_time"].decode())
        if at.tzinfo is None:
            raise UnreadableRecordError(f"the time {at.isoformat()} has no zone")
        return Envelope(
            id=UUID(headers["ce_id"].decode()),
            cause=UUID(cause.decode()) if cause else None,
            experiment=ExperimentId(UUID(headers["ce_subject"].decode())),
            at=at,
            body=body,
            sequence=int(sequence) if sequence else None,
        )
    except UnreadableRecordError:
        raise
    except KeyError as error:
        raise UnreadableRecordError(f"the header {error.args[0]} is missing") from None
    except ValidationError as error:
        raise UnreadableRecordError(f"the body is not valid: {error.errors(include_url=False)[0]['msg']}") from None
    except ValueError as error:
        raise UnreadableRecordError(str(error)) from None


async def send(bus: Bus, topic: str, shard: Shard, envelopes: Iterable[Envelope]) -> None:
    """Publish envelopes to the shard's partition of `topic`."""
    await bus.publish([encode(envelope, topic, shard) for envelope in envelopes])
