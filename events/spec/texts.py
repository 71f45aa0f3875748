"""Which metrics are texts, such as the genotype that an architecture search prints: those for which
the user's own filters can find no number."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

_LETTERS = re.compile(r"[A-Za-z_]+(?![?*{])")
_NUMBERS = ("nan", "infinity")
"""Numbers that begin with a letter."""
_PLAIN_NAMES = re.compile(r"(?:[\w /@:|-]|\\[^\w\s])+")
_ANY_CASE = re.compile(r"\(\?[a-zA-Z]*i")


class _Group(NamedTuple):
    """A capturing group: what is in its brackets, and where."""

    start: int
    end: int
    inner: str
    alternatives: bool
    """Has it several, at its own level?"""


def is_text(filters: Sequence[str], metric: str) -> bool:
    """Is there a filter that finds the metric, and does each that may find it take what begins with
    letters with which no number begins, as in `([\\w-]+)=(Genotype.*)`?"""
    able = [one for one in filters if _may_find(one, metric)]
    return bool(able) and all(map(takes_text, able))


@lru_cache(256)
def takes_text(expression: str) -> bool:
    """Can the value that this filter takes be no number? False where that is not plain to see."""
    groups = _groups(expression)
    if len(groups) < 2 or groups[1].start < groups[0].end or groups[1].alternatives:
        return False
    letters = _LETTERS.match(groups[1].inner)
    return letters is not None and not any(
        number.startswith(letters[0].lower()) for number in _NUMBERS
    )


def _may_find(expression: str, metric: str) -> bool:
    """False if the filter plainly finds other names alone, as `(loss|accuracy)=(.*)` does."""
    names = _names(expression)
    return names is None or metric in names


@lru_cache(256)
def _names(expression: str) -> frozenset[str] | None:
    """The names that a filter finds; None if these may be any."""
    groups = _groups(expression)
    if not groups or not _PLAIN_NAMES.fullmatch(groups[0].inner) or _ANY_CASE.search(expression):
        return None
    return frozenset(
        re.sub(r"\\(.)", r"\1", name) for name in re.split(r"(?<!\\)\|", groups[0].inner)
    )


def _groups(expression: str) -> list[_Group]:
    """The capturing groups in the order in which they begin; none where
    quoting changes what the signs mean."""
    if r"\Q" in expression:
        return []
    found: list[tuple[int, int, bool]] = []
    open_groups: list[list[int]] = []
    for place, sign in _signs(expression):
        if sign == "(":
            named = re.compile(r"\?P?<\w+>").match(expression, place + 1)
            captures = named is not None or expression[place + 1 : place + 2] != "?"
            open_groups.append([named.end() if named else place + 1, captures, False])
        elif sign == "|" and open_groups:
            open_groups[-1][2] = True
        elif sign == ")" and open_groups:
            start, capturing, several = open_groups.pop()
            if capturing:
                found.append((start, place, bool(several)))
    return [
        _Group(start, end, expression[start:end], alternatives)
        for start, end, alternatives in sorted(found)
    ]


def _signs(expression: str) -> Iterator[tuple[int, str]]:
    """The brackets and bars that are neither escaped nor in a class, with their places."""
    for match in re.finditer(
        r"\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]|[()|]", expression, re.DOTALL
    ):
        if len(match[0]) == 1:
            yield match.start(), match[0]
