"""What the headers of a record say: the attributes of a CloudEvent 1.0 in Kafka's binary mode."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from trialstream.errors import PoisonError
from trialstream.records import damage

if TYPE_CHECKING:
    from trialstream.records import Record

TOPIC = "trialstream.events"
"""The public stream; Kafka may know it by another prefix."""
TYPE_PREFIX = "io.trialstream."
VERSION = ".v1"
EARLIEST_YEAR, LATEST_YEAR = 1900, 2999
"""What every database and every library of dates can count with."""


class UnreadableRecordError(PoisonError, ValueError):
    """The record is no envelope that this version understands."""


@dataclass(frozen=True)
class Attributes:
    """An envelope without its body, of any type."""

    __slots__ = ("at", "cause", "experiment", "id", "name", "namespace", "sequence", "type")

    type: str
    """As CloudEvents has it, such as io.trialstream.trial.concluded.v1."""
    id: UUID
    cause: UUID | None
    experiment: UUID
    at: datetime
    sequence: int | None
    name: str | None
    namespace: str | None


def attributes(record: Record) -> Attributes:
    """Read the headers alone; raises UnreadableRecordError with the reason."""
    try:
        headers = {name: value.decode() for name, value in record.headers if name.startswith("ce_")}
        cause, sequence = headers.get("ce_cause"), headers.get("ce_sequence")
        at = datetime.fromisoformat(headers["ce_time"])
        if at.tzinfo is None:
            raise UnreadableRecordError(f"the time {at.isoformat()} has no zone")
        if not EARLIEST_YEAR <= at.year <= LATEST_YEAR:
            raise UnreadableRecordError(
                f"the time {at.isoformat()} is not within {EARLIEST_YEAR} to {LATEST_YEAR}"
            )
        return Attributes(
            type=headers["ce_type"],
            id=UUID(headers["ce_id"]),
            cause=UUID(cause) if cause else None,
            experiment=UUID(headers["ce_subject"]),
            at=at,
            sequence=int(sequence) if sequence else None,
            name=headers.get("ce_experiment"),
            namespace=headers.get("ce_namespace"),
        )
    except KeyError as error:
        missing = f"the header {error.args[0]} is missing"
        raise UnreadableRecordError(damage(record) or missing) from None
    except ValueError as error:
        raise UnreadableRecordError(str(error)) from None
