"""Keeps the last text of each metric that is one, by time, within bounds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from events.metrics import MOST_TEXTS
from events.model import LONGEST_MESSAGE


@dataclass(slots=True)
class Texts:
    """`metrics`: those that are texts; `first`: the metric for which there is always room."""

    metrics: frozenset[str]
    first: str
    latest: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    """Of each text one character more than is kept, to tell whether it is cut."""
    left_out: int = 0
    fresh: list[tuple[str, str, datetime | None]] = field(default_factory=list)
    """Not settled yet."""

    def add(self, metric: str, text: str, at: datetime | None) -> None:
        """One more, with the time that its line tells."""
        self.fresh.append((metric, text.strip()[: LONGEST_MESSAGE + 1], at))

    def settle(self, read_at: Callable[[], datetime]) -> None:
        """Keep what is the latest; what tells no time is of the time at which it is read."""
        for metric, text, told in self.fresh:
            at = told or read_at()
            before = self.latest.get(metric)
            if before is None and not self._has_room(metric):
                self.left_out += 1
            elif before is None or before[0] <= at:
                self.latest[metric] = at, text
        self.fresh.clear()

    def drop_fresh(self) -> bool:
        """Forget what is not settled; was there anything?"""
        found = bool(self.fresh)
        self.fresh.clear()
        return found

    def _has_room(self, metric: str) -> bool:
        reserved = self.first not in self.latest
        return metric == self.first or len(self.latest) + reserved < MOST_TEXTS

    @property
    def cut(self) -> int:
        """How many are longer than what is kept of one."""
        return sum(len(text) > LONGEST_MESSAGE for _, text in self.latest.values())

    def state(self) -> dict[str, Any]:
        """What `restore` reads, as JSON."""
        return {
            "left_out": self.left_out,
            "latest": {name: (at.isoformat(), text) for name, (at, text) in self.latest.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue where others of the same attempt were."""
        self.left_out = state["left_out"]
        self.latest = {
            name: (datetime.fromisoformat(at), text) for name, (at, text) in state["latest"].items()
        }
