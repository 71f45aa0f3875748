"""Counts what a parser has left out: values of wanted metrics that are no numbers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from collectors.parsers.words import BEGINS, alternatives
from events.diagnosis import MOST_EXAMPLES, RefusedValue

MOST_LOOKS = 10_000
"""Lines without a report that are looked at, so that a long log costs no more for it."""


@dataclass(slots=True)
class Refusals:
    """How many there were, and the first few. `signs`: what may stand between name and value."""

    signs: str = "="
    count: int = 0
    examples: list[RefusedValue] = field(default_factory=list)
    skipped: int = 0
    """Lines that are no objects, where JSON is expected."""
    expression: re.Pattern[str] | None = None
    looks: int = 0
    """Lines that were looked at."""

    @classmethod
    def of(cls, metrics: Sequence[str], signs: str) -> "Refusals":
        """Those that `look` finds in lines of text."""
        begun = rf"""{BEGINS}({alternatives(metrics)})["'|]*[ \t]*[{signs}][ \t]*["']?"""
        return cls(signs, expression=re.compile(begun + r"(?=[+-]?\.?\d)([^\s\"'|;]+)"))

    def look(self, line: str) -> None:
        """Count the values of a line in which no report was found; each begins like a number."""
        if self.expression is None or self.looks >= MOST_LOOKS:
            return
        self.looks += 1
        if any(map(line.__contains__, self.signs)):
            for metric, value in self.expression.findall(line):
                self.add(metric, value.rstrip(",.)]}"))

    def add(self, metric: str, value: str) -> None:
        """One more."""
        self.count += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(RefusedValue(metric=metric, value=value))
