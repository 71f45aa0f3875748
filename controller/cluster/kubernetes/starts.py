"""Attempts on their way to the API server: a stop withdraws what waits for its turn, and waits for
what was sent."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from events.ids import AttemptKey, ExperimentId
from events.waiting import wait

CREATION_SECONDS = 30.0
"""Longer than a request may take."""


class Starts:
    """The starts that have begun, and the attempts that are never to be started."""

    def __init__(self) -> None:
        self._over: dict[AttemptKey, asyncio.Event] = {}
        """Set once the start is over, for each that has begun."""
        self._sent: set[AttemptKey] = set()
        """Of those, the ones that the API server may have heard of."""
        self._forbidden: dict[ExperimentId, set[AttemptKey]] = {}

    def __contains__(self, key: AttemptKey) -> bool:
        """Has its start begun, and is not over?"""
        return key in self._over

    @contextmanager
    def begin(self, key: AttemptKey) -> Iterator[None]:
        """The start is over when the context is left."""
        over = self._over[key] = asyncio.Event()
        try:
            yield
        finally:
            over.set()
            del self._over[key]
            self._sent.discard(key)

    def send(self, key: AttemptKey) -> None:
        """Note that the request to create its workload is sent now."""
        self._sent.add(key)

    async def answered(self, key: AttemptKey) -> None:
        """Return once the API server has answered, if it was asked; it does within seconds."""
        if key in self._sent:
            await wait(self._over[key], CREATION_SECONDS)

    def forbid(self, key: AttemptKey) -> None:
        """It was stopped before its start, and is not started any more."""
        self._forbidden.setdefault(key.experiment, set()).add(key)

    def is_forbidden(self, key: AttemptKey) -> bool:
        return key in self._forbidden.get(key.experiment, ())

    def forget(self, experiment: ExperimentId) -> None:
        self._forbidden.pop(experiment, None)
