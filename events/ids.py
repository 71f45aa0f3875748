"""Identifiers, each of its own type, and the names and ids that follow from them."""

from dataclasses import dataclass
from hashlib import sha1
from typing import Annotated, NewType
from uuid import UUID
from zlib import crc32

from pydantic import Field

from events.model import LARGEST_INT32

ExperimentId = NewType("ExperimentId", UUID)
TrialNumber = NewType("TrialNumber", int)
"""Trials of one experiment are numbered from 1 in the order of their proposal."""
Trial = Annotated[TrialNumber, Field(ge=1, le=LARGEST_INT32)]
"""A trial's number as a field of a message."""
Shard = NewType("Shard", int)
_UUID_5 = 5 << 76 | 0x8000 << 48
_UUID_BITS = ~(0xF000 << 64 | 0xC000 << 48)
"""The version and variant of an id that is made from a name (RFC 9562), and all other bits."""


@dataclass(frozen=True, slots=True, order=True)
class AttemptKey:
    """One run of one trial; attempts are numbered from 1."""

    experiment: ExperimentId
    trial: TrialNumber
    attempt: int


def trial_name(experiment: str, number: TrialNumber) -> str:
    """The name that people and processes see, such as `digits-12`."""
    return f"{experiment}-{number}"


def trial_number(experiment: str, name: str) -> TrialNumber | None:
    """Read `digits-12` or `12` back; None when it names no trial of this experiment."""
    digits = name.removeprefix(f"{experiment}-")
    return (
        TrialNumber(int(digits))
        if digits.isascii() and digits.isdigit() and int(digits) > 0
        else None
    )


def shard_of(namespace: str, name: str, shards: int) -> Shard:
    """Where a new experiment goes: two submissions of one name meet in one shard, in order."""
    return Shard(crc32(f"{namespace}/{name}".encode()) % shards)


def consequence(cause: UUID, part: int | str) -> UUID:
    """The id of the `part`-th thing that follows from `cause`; a repetition yields the same id.

    It is that of uuid5, in half of its time: each event has one.
    """
    digest = sha1(cause.bytes + str(part).encode(), usedforsecurity=False).digest()
    return UUID(int=int.from_bytes(digest[:16], "big") & _UUID_BITS | _UUID_5)
