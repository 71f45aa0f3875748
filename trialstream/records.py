"""A record of a topic, its place there, and its size."""

from __future__ import annotations

from dataclasses import dataclass

DAMAGED = "trialstream-damaged"
"""The header of a record in place of others that cannot be read; it says why. Its value is the
beginning of their bytes."""


@dataclass(frozen=True)
class Record:
    __slots__ = (
        "headers",
        "key",
        "partition",
        "topic",
        "value",
    )  # @dataclass(slots=True) needs Python 3.10

    topic: str
    partition: int
    key: bytes
    headers: tuple[tuple[str, bytes], ...]
    value: bytes

    @property
    def size(self) -> int:
        """Bytes of the value, or about as many."""
        return len(self.value)


@dataclass(frozen=True)
class Delivery:
    """A record and its position in its partition."""

    __slots__ = ("position", "record")

    record: Record
    position: int


def size(record: Record) -> int:
    """Bytes of key, headers and value: any of them may be the large one."""
    return (
        len(record.key)
        + len(record.value)
        + sum(len(name) + len(value) for name, value in record.headers)
    )


def damage(record: Record) -> str | None:
    """Why it stands in place of others; None if it does not."""
    for name, value in record.headers:
        if name == DAMAGED:
            return value.decode(errors="replace")
    return None
