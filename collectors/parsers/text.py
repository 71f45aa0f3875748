"""Find metrics in lines of text, such as `epoch 3: loss=0.25`, with filters on RE2 (Katib's TEXT
format)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import re2

from collectors.parsers.reading import Reading, line_time, number
from collectors.parsers.refusals import Refusals
from collectors.parsers.texts import Texts
from collectors.parsers.words import (
    BEGINS,
    GOES_ON,
    NUMBER,
    alternatives,
    plain,
    without_colours,
)
from events.spec.texts import is_text

MOST_MATCHES = 2_000
"""Of a filter in one line: for each, RE2 may look at the whole line anew."""
_KATIBS_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[Ee][+-]?\d+)?|(?i:nan|inf|infinity)\b"
_KATIBS_NAME = r"[\w|-]+"
_SPACE = r"[\t\n\f\r ]*"
_GOES_ON = re.compile(GOES_ON)
_LONGER_NAME = re.compile(r"[/.@:\\#$&]|(?![\x00-\x7f])\w")
"""What a name must not follow, beside what is a name's own."""
_UNUSUAL = re.compile(r"[\d.+-]|(?i:nan|inf)|\s|.*(\||\s$)", re.DOTALL)
"""Of such names, a general look alone tells which part of a line is theirs."""


class Text:
    """The parser of text lines: group 1 of a filter is the name, which must equal a metric, group 2
    the value.

    Without filters, Katib's is taken, with repairs: a value must be there, and be a number to its
    end; `nan`, `inf` and `1.` are numbers; names such as `val/loss` are found, and are not taken
    for `loss`; quotes, bars around a name, colours and a logger's name are no part of it.

    What several filters match counts once; a value that cannot be read as a number is left out,
    unless its metric is a text. RE2 finds a match in time linear in the line, whatever the filter,
    and a filter of the user's finds at most MOST_MATCHES in a line. Raises re2.error for a filter
    that RE2 cannot read.
    """

    def __init__(self, metrics: Sequence[str], filters: Sequence[str] = ()) -> None:
        self.words: Sequence[str] = tuple(dict.fromkeys(metrics))
        self.metrics = self.words
        self.refusals = Refusals() if filters else Refusals.of(self.words, "=")
        self._metrics = frozenset(metrics)
        self._own = not filters
        texts = frozenset(one for one in self.words if is_text(filters, one))
        self.texts = Texts(texts, self.words[0]) if texts else None
        self._filters = [
            re2.compile(expression) for expression in filters or (_default_filter(metrics),)
        ]
        self._quick = None if filters else _Quick.of(self.words)

    def __call__(self, line: str) -> Sequence[Reading]:
        if not any(map(line.__contains__, self.words)):
            return ()
        if self._own:
            line = plain(line)
        elif "\x1b" in line:
            line = without_colours(line)
        if self._quick is not None and (found := self._quick.find(line)) is not None:
            if not found:
                self.refusals.look(line)
                return ()
            return self._readings(found, line)
        reports = sorted(self._found(line))
        if not reports:
            self.refusals.look(line)
            return ()
        return self._readings([(name, value) for _, name, value in reports], line)

    def _readings(self, found: Iterable[tuple[str, str | float]], line: str) -> list[Reading]:
        at = line_time(line)
        readings = [(name, float(value), at) for name, value in found]
        if self._own:
            self.refusals.look_beside(readings, line, self.words)
        return readings

    def _found(self, line: str) -> Iterator[tuple[int, str, float]]:
        """Place, name and value of each report; the first filter that reads a value there wins."""
        seen: set[tuple[str, int, bool]] = set()
        for expression in self._filters:
            for match in _matches(expression, line, None if self._own else MOST_MATCHES):
                name, value = self._name(match, line), number(match[2].strip())
                start, end = match.span(2)
                if (
                    value is None
                    or name is None
                    or {(name, start, False), (name, end, True)} & seen
                ):
                    if value is None and name is not None and not self._own:
                        self._add_other(name, match[2], line)
                    continue
                seen |= {(name, start, False), (name, end, True)}
                yield start, name, value

    def _add_other(self, name: str, value: str, line: str) -> None:
        """Keep a value that is no number, if its metric is a text; else it is refused."""
        if self.texts is not None and name in self.texts.metrics:
            self.texts.add(name, value, line_time(line))
        else:
            self.refusals.add(name, value)

    def _name(self, match: Any, line: str) -> str | None:
        """The metric of a match; None if it is of no wanted one, or reads part of a word."""
        name: str = match[1].strip()
        if name not in self._metrics:
            name = name.strip("|") if self._own else ""
            if name not in self._metrics:
                return None
        return None if self._own and _is_part(line, match.start(1), match.end(2)) else name


class _Quick:
    """Katib's filter for these names alone, which tells the same of nearly every line in a fifth of
    the time."""

    def __init__(self, names: str) -> None:
        self._reports = re.compile(
            rf"""{BEGINS}({names})["']?{_SPACE}={_SPACE}["']?({NUMBER})(?!{GOES_ON})"""
        )
        self._barred = re.compile(rf"[A-Za-z0-9_-]\|+(?:{names})")

    @classmethod
    def of(cls, metrics: Sequence[str]) -> "_Quick | None":
        if not metrics or any(map(_UNUSUAL.match, metrics)):
            return None
        return cls(alternatives(metrics))

    def find(self, line: str) -> list[tuple[str, str]] | None:
        """Names and values in the order of the line; None where bars join a name with what stands
        before it, which may be a number's end or belong to the name."""
        if "|" in line and self._barred.search(line):
            return None
        return self._reports.findall(line)


def _default_filter(metrics: Sequence[str]) -> str:
    odd = sorted((one for one in metrics if not re.fullmatch(_KATIBS_NAME, one, re.ASCII)), key=len)
    names = "|".join([*map(re2.escape, reversed(odd)), _KATIBS_NAME])
    return rf"""({names})["']?\s*=\s*["']?([+-]?(?:{_KATIBS_NUMBER}))"""


def _is_part(line: str, start: int, end: int) -> bool:
    """Is the name only the end of a longer one, or the value only the beginning of something
    else?"""
    return bool((start > 0 and _LONGER_NAME.match(line, start - 1)) or _GOES_ON.match(line, end))


def _matches(expression: Any, line: str, most: int | None) -> Iterator[Any]:
    """Of the first `most` matches, those in which both groups took part."""
    if expression.groups < 2:
        return
    for match in islice(expression.finditer(line), most):
        if match[1] is not None and match[2] is not None:
            yield match
