"""Notices that all values of a run came only when it ended, as from a program whose output is held
back in a buffer."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

SHORT_RUN = 10.0
"""Seconds; of a shorter run nobody can tell."""
LAST_MOMENTS = 2.0
"""Seconds."""
FEW_VALUES = 2
"""So many values of a metric may well come at the end: the result."""


@dataclass(slots=True)
class Moments:
    """When a file was first seen, when its first value came, and when nobody wrote any more; by a
    clock that nobody sets."""

    opened: float | None = None
    first: float | None = None
    ended: float | None = None

    def open(self) -> None:
        """The file is there."""
        if self.opened is None:
            self.opened = monotonic()

    def begin(self) -> None:
        """A value has come."""
        if self.first is None:
            self.first = monotonic()

    def end(self) -> None:
        """Nobody writes any more."""
        if self.ended is None:
            self.ended = monotonic()

    def late(self, counts: Mapping[str, int]) -> bool:
        """Did several values of a metric come, and all of them in the last moments?"""
        if self.opened is None or self.first is None or self.ended is None:
            return False
        run, last = self.ended - self.opened, self.ended - self.first
        return run >= SHORT_RUN and last <= LAST_MOMENTS and max(counts.values()) > FEW_VALUES
