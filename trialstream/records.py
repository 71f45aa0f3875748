"""A record of a topic, and its place there."""

from __future__ import annotations

from dataclasses import dataclass


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
