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
    """Fetched records by experiment: each gets its turn, however many records another has, but for
    those that are held back."""

    def __init__(self) -> None:
        self._queues: dict[bytes, deque[Delivery]] = {}
        self._held: set[bytes] = set()
        self.waiting = 0
        self._size = 0

    @property
    def has_room(self) -> bool:
        return self.waiting < MAX_RECORDS and self._size < MAX_BYTES

    @property
    def ready(self) -> bool:
        """Has anything a turn?"""
        return not self._queues.keys() <= self._held

    def add(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._queues.setdefault(delivery.record.key, deque()).append(delivery)
            self.waiting += 1
            self._size += delivery.record.size

    def take(self) -> list[Delivery]:
        """A fair share of each experiment, at least one record."""
        keys = [key for key in self._queues if key not in self._held]
        share = TURN_BYTES // max(1, len(keys))
        return [delivery for key in keys for delivery in self._share(key, share)]

    def _share(self, key: bytes, share: int) -> Iterator[Delivery]:
        queue, taken = self._queues[key], 0
        while queue and taken < share:
            delivery = self._pop(queue)
            taken += delivery.record.size
            yield delivery
        if not queue:
            del self._queues[key]

    def _pop(self, queue: deque[Delivery]) -> Delivery:
        delivery = queue.popleft()
        self.waiting -= 1
        self._size -= delivery.record.size
        return delivery

    def hold(self, key: bytes, deliveries: Sequence[Delivery]) -> None:
        """Put back what was taken of an experiment, before what has come since; it has no turn
        until `release`. What came under another key is put in its place."""
        waiting = [*deliveries, *self._queues.get(key, ())]
        self._queues[key] = deque(sorted(waiting, key=lambda one: one.position))
        self.waiting += len(deliveries)
        self._size += sum(one.record.size for one in deliveries)
        self._held.add(key)

    def release(self, key: bytes) -> None:
        """Let what was held back have its turn again."""
        self._held.discard(key)

    def overflow(self) -> list[Delivery]:
        """Take all that is held back, if there is no room and that is more than half of it: others
        do not wait for those who cannot go on."""
        if self.has_room or not self._held:
            return []
        held = [one for key in self._held for one in self._queues.get(key, ())]
        size = sum(one.record.size for one in held)
        if len(held) * 2 < MAX_RECORDS and size * 2 < MAX_BYTES:
            return []
        queues = [self._queues.pop(key) for key in self._held & self._queues.keys()]
        return [self._pop(queue) for queue in queues for _ in range(len(queue))]

    def oldest(self, position: int) -> int:
        """The position of the oldest record that waits; `position` if none does."""
        return min((queue[0].position for queue in self._queues.values()), default=position)
