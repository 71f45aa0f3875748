"""The bus: partitioned logs with positions, and the promises that every implementation keeps.

1. A partition keeps its records in the order of their publication.
2. `publish` returns once every record can be fetched.
3. A subscription opened at a position delivers each record from there on, also those delivered before.
4. `fetch` returns within its wait, with nothing if nothing came.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Record:
    topic: str
    partition: int
    key: bytes
    headers: tuple[tuple[str, bytes], ...]
    value: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """A record and its position in its partition."""

    record: Record
    position: int


class Subscription(Protocol):
    @property
    def position(self) -> int:
        """The position of the next record to fetch."""
        ...

    async def fetch(self, limit: int, wait: float) -> Sequence[Delivery]:
        """Up to `limit` records; waits up to `wait` seconds for the first."""
        ...

    def release(self, position: int) -> None:
        """Records before `position` are no longer needed by this subscription."""
        ...


class Bus(Protocol):
    async def publish(self, records: Sequence[Record]) -> None: ...

    def log_id(self, topic: str) -> str:
        """Names the log itself: positions of another log mean nothing in this one."""
        ...

    def subscribe(self, topic: str, partition: int, position: int) -> AbstractAsyncContextManager[Subscription]:
        """Fetch from `position` on; a position no longer kept means the oldest kept record."""
        ...
