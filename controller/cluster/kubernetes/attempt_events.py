"""The events of attempts on their way to `watch`; what repeats the last event of its attempt is
left out."""

import asyncio
from collections.abc import AsyncIterator

from controller.cluster import AttemptKey, Ended, Event, Waiting


class AttemptEvents:
    """A queue, and the last event of each attempt that is not forgotten."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._last: dict[AttemptKey, Event] = {}

    def publish(self, event: Event) -> bool:
        """Queue the event unless it repeats the last one; True if starting the attempt again would
        change nothing."""
        if self._last.get(event.key) != event:
            self._last[event.key] = event
            self._queue.put_nowait(event)
        return not isinstance(event, Waiting)

    def has_ended(self, key: AttemptKey) -> bool:
        return isinstance(self._last.get(key), Ended)

    def forget(self, key: AttemptKey) -> None:
        """The next event of the attempt is published, whatever it is."""
        self._last.pop(key, None)

    async def watch(self) -> AsyncIterator[Event]:
        while True:
            yield await self._queue.get()
