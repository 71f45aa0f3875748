"""Find metrics in lines of text, such as `epoch 3: loss=0.25`, with filters on RE2 (Katib's TEXT
format)."""

from collections.abc import Iterator, Sequence
from typing import Any

import re2

from collectors.parsers.reading import Reading, number, rfc3339

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[Ee][+-]?\d+)?|(?i:nan|inf|infinity)\b"
DEFAULT_FILTER = rf"([\w|-]+)\s*=\s*([+-]?(?:{_NUMBER}))"
"""Katib's default, except that `nan`, `inf` and `1.` are understood and a value must be there."""


class Text:
    """The parser of text lines: group 1 of a filter is the name, which must equal a metric, group 2
    the value.

    Text that several filters match counts once; a value that cannot be read as a number is left
    out. RE2 runs in time linear in the line, whatever the filter. Raises re2.error for a filter
    that RE2 cannot read.
    """

    def __init__(self, metrics: Sequence[str], filters: Sequence[str] = ()) -> None:
        self._metrics = frozenset(metrics)
        self._filters = [re2.compile(expression) for expression in filters or (DEFAULT_FILTER,)]

    def __call__(self, line: str) -> Sequence[Reading]:
        if not any(metric in line for metric in self._metrics):
            return ()
        found = sorted(self._found(line))
        if not found:
            return ()
        at = rfc3339(line.partition(" ")[0])
        return [(name, value, at) for _, name, value in found]

    def _found(self, line: str) -> Iterator[tuple[int, str, float]]:
        """Place, name and value of each report; the first filter that reads a value there wins."""
        seen: set[tuple[str, int, bool]] = set()
        for expression in self._filters:
            for match in _matches(expression, line):
                name, value = match[1].strip(), number(match[2].strip())
                start, end = match.span(2)
                if (
                    value is None
                    or name not in self._metrics
                    or {(name, start, False), (name, end, True)} & seen
                ):
                    continue
                seen |= {(name, start, False), (name, end, True)}
                yield start, name, value


def _matches(expression: Any, line: str) -> Iterator[Any]:
    """The matches in which both groups took part."""
    if expression.groups < 2:
        return
    for match in expression.finditer(line):
        if match[1] is not None and match[2] is not None:
            yield match
