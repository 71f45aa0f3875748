"""Counts what a parser has left out: values of wanted metrics that are no numbers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collectors.parsers.words import BEGINS, GOES_ON, NUMBER, alternatives
from events.diagnosis import MOST_EXAMPLES, RefusedValue

MOST_LOOKS = 10_000
"""Lines that lack a report that are looked at, so that a long log costs no more for it."""

_REST = (
    r"""(?:[ \t]*(?:/|\*\*?|\^|\u00d7)[ \t]*|[ \t]+x[ \t]*)?(?:[ \u00a0\u2009\u202f][0-9]{3}\b)*"""
)
_REST += r"""(?:[^\s"'|;]|['\u2019](?=[0-9]))*"""
"""What is shown of a value beside the number with which it begins."""


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
        return cls(signs, expression=re.compile(rf"{begun}({NUMBER}(?={GOES_ON}){_REST})"))

    def look(self, line: str) -> None:
        """Count the values of a line in which no report was found; each begins with a number."""
        if self.expression is None or self.looks >= MOST_LOOKS:
            return
        self.looks += 1
        for metric, value in self.find(line):
            self.add(metric, value)

    def look_beside(
        self, found: Sequence[tuple[str, float, object]], line: str, metrics: Sequence[str]
    ) -> None:
        """As `look`, where some of the metrics were found."""
        if len(found) >= len(metrics) or self.looks >= MOST_LOOKS:
            return
        if len([one for one in metrics if one in line]) > len(found):
            self.looks += 1
            reported = {metric for metric, _, _ in found}
            for metric, value in self.find(line):
                if metric not in reported:
                    self.add(metric, value)

    def find(self, line: str) -> list[tuple[str, str]]:
        """The metrics of a line whose values begin with a number, and go on."""
        if self.expression is None or not any(map(line.__contains__, self.signs)):
            return []
        return [(name, value.rstrip(",.)]}")) for name, value in self.expression.findall(line)]

    def state(self) -> dict[str, Any]:
        """What `restore` reads, as JSON."""
        examples = [(one.metric, one.value) for one in self.examples]
        return {
            "count": self.count,
            "examples": examples,
            "skipped": self.skipped,
            "looks": self.looks,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where others of the same attempt were."""
        self.count, self.skipped, self.looks = state["count"], state["skipped"], state["looks"]
        self.examples = [RefusedValue(metric=one, value=value) for one, value in state["examples"]]

    def add(self, metric: str, value: str) -> None:
        """One more."""
        self.count += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(RefusedValue(metric=metric, value=value))
