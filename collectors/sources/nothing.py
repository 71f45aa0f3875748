"""The source of an attempt of which no metrics are expected."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from collectors.sources import Watch
from collectors.sources.watch import Unwatched
from events.metrics import Point


class Nothing:
    """Has no points, at any time, and misses none."""

    def read(self) -> list[Point]:
        """As Source.read."""
        return []

    def finish(self) -> list[Point]:
        """As Source.finish."""
        return []

    def diagnosis(self) -> None:
        """As Source.diagnosis."""

    def texts(self) -> dict[str, str]:
        """As Source.texts."""
        return {}

    def state(self) -> bytes:
        """As Source.state."""
        return b""

    def restore(self, state: bytes) -> None:
        """As Source.restore."""

    def watching(self, changed: Callable[[], None]) -> AbstractContextManager[Watch]:
        """As Source.watching."""
        return nullcontext(Unwatched(seconds=60.0))
