"""The bus: partitioned logs with positions, and the promises that every implementation keeps.

1. A partition keeps its records in the order of their publication.
2. `publish` returns once every record can be fetched.
3. A subscription opened at a position delivers each record from there on, also those delivered
   before.
4. `fetch` returns within its wait, with nothing if nothing came.
5. No call waits for ever: what does not work now raises BusUnavailableError, and what a person has
   to correct raises BusRefusedError.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from trialstream.errors import BusRefusedError, BusUnavailableError, RecordTooLargeError
from trialstream.records import Delivery, Record

__all__ = [
    "Bus",
    "BusRefusedError",
    "BusUnavailableError",
    "Delivery",
    "Record",
    "RecordTooLargeError",
    "Subscription",
]


class Subscription(Protocol):
    @property
    def position(self) -> int:
        """The position of the next record to fetch."""
        ...

    @property
    def lag(self) -> int:
        """Records from `position` to the end of the log, as far as is known."""
        ...

    async def fetch(self, limit: int, wait: float) -> Sequence[Delivery]:
        """Up to `limit` records; waits up to `wait` seconds for the first. May be cancelled without
        loss.

        Raises BusUnavailableError if the log was truncated or replaced: subscribe again.
        """
        ...

    def release(self, position: int) -> None:
        """Records before `position` are no longer needed by this subscription."""
        ...


class Bus(Protocol):
    @property
    def durable(self) -> bool:
        """Do the logs, and positions in them, outlive this process?"""
        ...

    def healthy_within(self, seconds: float) -> bool:
        """Has there been contact with the log within so long?"""
        ...

    async def publish(self, records: Sequence[Record]) -> None:
        """Append each record to its partition, in order; at least once if it raises and is called
        again."""
        ...

    async def log_id(self, topic: str) -> str:
        """Names the log itself: positions of another log mean nothing in this one."""
        ...

    def subscribe(
        self, topic: str, partition: int, position: int
    ) -> AbstractAsyncContextManager[Subscription]:
        """Fetch from `position` on; a position that the log does not have (no longer, or not yet by
        more than its end) means the oldest kept record."""
        ...
