"""Sources: where a trial reports its metrics, read as they come."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from events.diagnosis import Diagnosis
from events.metrics import Point

__all__ = ["Source", "Watch"]


class Watch(Protocol):
    """Tells when to look at a source again, for the case that no change is noticed."""

    def patience(self) -> float:
        """Seconds until the source has to be read again, changed or not."""
        ...


class Source(Protocol):
    """The points of one attempt. Each is returned once, also by another reader that restores the
    state of this one.

    The steps of a metric count its reports from 1, so a source that is read again from its start
    returns equal points.
    """

    def read(self) -> list[Point]:
        """Some of the points that came since the last call. Raises OSError if the source cannot be
        read."""
        ...

    def finish(self) -> list[Point]:
        """As `read`, once the attempt has ended: an empty list means that all has been returned."""
        ...

    def diagnosis(self) -> Diagnosis | None:
        """Why metrics are missing, and what was left out; asked once `finish` has returned all.
        None if there is nothing to say."""
        ...

    def texts(self) -> Mapping[str, str]:
        """The last text of each metric that is one, by time; asked once `finish` has returned
        all."""
        ...

    def state(self) -> bytes:
        """How far was read, for `restore`."""
        ...

    def restore(self, state: bytes) -> None:
        """Continue where another reader of the same source was."""
        ...

    def watching(self, changed: Callable[[], None]) -> AbstractContextManager[Watch]:
        """Call `changed`, in the running event loop, whenever there may be something new."""
        ...
