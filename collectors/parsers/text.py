"""Find metrics in lines of text, such as `epoch 3: loss=0.25`, with filters on RE2 (Katib's TEXT
format)."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import re2

from collectors.parsers.reading import Reading, number, rfc3339

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[Ee][+-]?\d+)?|(?i:nan|inf|infinity)\b"
_KATIBS_NAME = r"[\w|-]+"
_GOES_ON = re.compile(r"[,.'_]\d|#|[xXbBoO][\da-fA-F]|[dD][+-]?\d|[eE][+-]?(?![^\W\d_])")
"""What a number must not be followed by: 1,234.5, 1.5.3, 1_000, 1.#INF, 0x1F, 1.0D+02, 1e+."""
_LONGER_NAME = re.compile(r"[/.@:\\#$&]|(?![\x00-\x7f])\w")
"""What a name must not follow: of `val/loss=1`, `loss` is a part."""
_COLOURS = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]")


class Text:
    """The parser of text lines: group 1 of a filter is the name, which must equal a metric, group 2
    the value.

    Without filters, Katib's is taken, with repairs: a value must be there, and be a number to its
    end; `nan`, `inf` and `1.` are numbers; names such as `val/loss` are found, and are not taken
    for `loss`; quotes, bars around a name and colours are no part of it.

    Text that several filters match counts once; a value that cannot be read as a number is left
    out. RE2 runs in time linear in the line, whatever the filter. Raises re2.error for a filter
    that RE2 cannot read.
    """

    def __init__(self, metrics: Sequence[str], filters: Sequence[str] = ()) -> None:
        self._metrics = frozenset(metrics)
        self._own = not filters
        self._filters = [
            re2.compile(expression) for expression in filters or (_default_filter(metrics),)
        ]

    def __call__(self, line: str) -> Sequence[Reading]:
        if not any(metric in line for metric in self._metrics):
            return ()
        if "\x1b" in line:
            line = _COLOURS.sub("", line)
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
                name, value = self._name(match, line), number(match[2].strip())
                start, end = match.span(2)
                if (
                    value is None
                    or name is None
                    or {(name, start, False), (name, end, True)} & seen
                ):
                    continue
                seen |= {(name, start, False), (name, end, True)}
                yield start, name, value

    def _name(self, match: Any, line: str) -> str | None:
        """The metric of a match; None if it is of no wanted one, or reads part of a word."""
        name: str = match[1].strip()
        if name not in self._metrics:
            name = name.strip("|") if self._own else ""
            if name not in self._metrics:
                return None
        return None if self._own and _is_part(line, match.start(1), match.end(2)) else name


def _default_filter(metrics: Sequence[str]) -> str:
    odd = sorted((one for one in metrics if not re.fullmatch(_KATIBS_NAME, one, re.ASCII)), key=len)
    names = "|".join([*map(re2.escape, reversed(odd)), _KATIBS_NAME])
    return rf"""({names})["']?\s*=\s*["']?([+-]?(?:{_NUMBER}))"""


def _is_part(line: str, start: int, end: int) -> bool:
    """Is the name only the end of a longer one, or the value only the beginning of something
    else?"""
    return bool((start > 0 and _LONGER_NAME.match(line, start - 1)) or _GOES_ON.match(line, end))


def _matches(expression: Any, line: str) -> Iterator[Any]:
    """The matches in which both groups took part."""
    if expression.groups < 2:
        return
    for match in expression.finditer(line):
        if match[1] is not None and match[2] is not None:
            yield match
