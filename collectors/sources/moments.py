"""Notices that all values of a run came only when it ended, as from a program whose output is held
back in a buffer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

SHORT_RUN = timedelta(seconds=10)
"""Of a shorter run nobody can tell."""
LAST_MOMENTS = timedelta(seconds=2)
FEW_VALUES = 2
"""So many values of a metric may well come at the end: the result."""


@dataclass(slots=True)
class Moments:
    """When a file was first seen, when its first value came, and when nobody wrote any more."""

    clock: Callable[[], datetime]
    opened: datetime | None = None
    first: datetime | None = None
    ended: datetime | None = None

    def late(self, counts: Mapping[str, int]) -> bool:
        """Did several values of a metric come, and all of them in the last moments?"""
        if self.opened is None or self.first is None or self.ended is None:
            return False
        run, last = self.ended - self.opened, self.ended - self.first
        return run >= SHORT_RUN and last <= LAST_MOMENTS and max(counts.values()) > FEW_VALUES
