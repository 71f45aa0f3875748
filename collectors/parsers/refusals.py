"""Counts what a parser has left out: values of wanted metrics that are no numbers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from collectors.parsers.words import BEGINS, alternatives
from events.diagnosis import MOST_EXAMPLES, RefusedValue


@dataclass(slots=True)
class Refusals:
    """How many there were, and the first few. `signs`: what may stand between name and value."""

    signs: str = "="
    count: int = 0
    examples: list[RefusedValue] = field(default_factory=list)
    skipped: int = 0
    """Lines that are no objects, where JSON is expected."""
    expression: re.Pattern[str] | None = None

    @classmethod
    def of(cls, metrics: Sequence[str], signs: str) -> "Refusals":
        """Those that `look` finds in lines of text."""
        begun = rf"""{BEGINS}({alternatives(metrics)})["'|]*[ \t]*[{signs}][ \t]*["']?"""
        return cls(signs, expression=re.compile(begun + r"(?=[+-]?\.?\d)([^\s\"'|;]+)"))

    def look(self, line: str) -> None:
        """Count the values of a line in which no report was found; each begins like a number."""
        if self.expression is not None:
            for metric, value in self.expression.findall(line):
                self.add(metric, value.rstrip(",.)]}"))

    def add(self, metric: str, value: str) -> None:
        """One more."""
        self.count += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(RefusedValue(metric=metric, value=value))
