"""Records that were fetched and wait: each experiment gets its turn, however many another has."""

from collections import deque
from collections.abc import Iterator, Sequence

from events.bus import Delivery

MAX_RECORDS = 20_000
"""Records that are read ahead at most, and their bytes."""
MAX_BYTES = 16_000_000
TURN_BYTES = 500_000
"""Bytes that are processed at once, some 7,000 points, shared by the experiments that have any."""


class Backlog:
    """Fetched records by experiment: each gets its turn, however many records another has."""

    def __init__(self) -> None:
        self._queues: dict[bytes, deque[Delivery]] = {}
        self.waiting = 0
        self._size = 0

    @property
    def has_room(self) -> bool:
        return self.waiting < MAX_RECORDS and self._size < MAX_BYTES

    def add(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._queues.setdefault(delivery.record.key, deque()).append(delivery)
            self.waiting += 1
            self._size += delivery.record.size

    def take(self) -> list[Delivery]:
        """A fair share of each experiment, at least one record."""
        share = TURN_BYTES // max(1, len(self._queues))
        return [delivery for key in list(self._queues) for delivery in self._share(key, share)]

    def _share(self, key: bytes, share: int) -> Iterator[Delivery]:
        queue, taken = self._queues[key], 0
        while queue and taken < share:
            delivery = queue.popleft()
            taken += delivery.record.size
            self.waiting -= 1
            self._size -= delivery.record.size
            yield delivery
        if not queue:
            del self._queues[key]

    def oldest(self, position: int) -> int:
        """The position of the oldest record that waits; `position` if none does."""
        return min((queue[0].position for queue in self._queues.values()), default=position)
