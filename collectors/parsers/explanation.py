"""Why a line is no report of a metric: explains single lines for people, and is slow."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import re2

from collectors.parsers.json_lines import json_object
from collectors.parsers.reading import Parser, Reading, number
from collectors.parsers.words import plain

LONGEST_EXPLAINED = 2_000
"""Characters of a line that are looked at."""
MOST_PAIRS = 100
"""Names with values of one line."""
_PAIR = re2.compile(
    r"""([^\s=:"'|,;()\[\]{}]+)["'|]*\s*([=:])\s*["']?([^\s"';|=:]+)"""  # also `name: value`
)
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of a line. `refused`: wanted metrics with values that are no numbers; `others`:
    further names that have a number; `likeness`: how much the line is like a report of a metric
    that it does not report, 0 if not at all."""

    readings: Sequence[Reading] = ()
    refused: Sequence[tuple[str, str]] = ()
    others: Sequence[str] = ()
    likeness: int = 0
    is_object: bool = False
    """Is it a JSON object?"""
    has_text: bool = False
    """Does it report a text?"""


def explain(parse: Parser, line: str) -> Explanation:
    """What `parse` makes of the line, and what might have been meant."""
    readings = parse(line)
    line, signs = plain(line[:LONGEST_EXPLAINED]), parse.refusals.signs
    tree = json_object(line)
    pairs = list(_items(tree) if tree is not None else _pairs(line))[:MOST_PAIRS]
    read = {metric for metric, _, _ in readings}
    texts = parse.texts.metrics if parse.texts else ()
    has_text = parse.texts.drop_fresh() if parse.texts else False
    wanted = [metric for metric in parse.metrics if metric not in read]
    refused = [
        (name, text)
        for name, sign, text in pairs
        if name in wanted and name not in texts and sign in signs and number(text) is None
    ]
    told = {name for name, _ in refused}
    refused += [pair for pair in parse.refusals.find(line) if pair[0] in set(wanted) - told]
    others = [
        name
        for name, sign, text in pairs
        if sign in signs and name not in parse.metrics and number(text) is not None
    ]
    alike, is_object = likeness(wanted, line), tree is not None
    return Explanation(readings, refused, others, alike, is_object, has_text)


def shape(line: str) -> str:
    """What is the same in lines that differ in their numbers alone."""
    return _DIGITS.sub("0", line)


def _pairs(line: str) -> Iterator[tuple[str, str, str]]:
    """Each name with its sign and its value."""
    for match in _PAIR.finditer(line):
        if any(map(str.isalpha, match[1])):
            yield match[1], match[2], match[3].rstrip(",.)]}")


def _items(tree: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, value in tree.items():
        yield name, "=", value if isinstance(value, str) else json.dumps(value)


def likeness(metrics: Iterable[str], line: str) -> int:
    """How much the line is like a report of one of the metrics, from 4 to 0."""
    return max((_likeness(metric, line) for metric in metrics), default=0)


def _likeness(metric: str, line: str) -> int:
    """4: the name and a number; 3: the name in other letters, and a number; 2: one of its words,
    and a number; 1: a number, or the name without one; 0: nothing of it."""
    has_number, folded = _DIGITS.search(line) is not None, line.casefold()
    if metric in line:
        return 4 if has_number else 1
    if not has_number:
        return 0
    if metric.casefold() in folded:
        return 3
    words = [word for word in re.split(r"[\W_]+", metric.casefold()) if len(word) > 2]
    return 2 if any(word in folded for word in words) else 1
