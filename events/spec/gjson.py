"""Paths in GJSON, the language of Katib's success and failure conditions: parsed once, looked up in
any document.

Supported of https://github.com/tidwall/gjson/blob/master/SYNTAX.md: keys and indices, `#` (how
many, or with more after it each of them), the queries `#(key=="value")` for the first match and
`#(…)#` for all, the pipe, `@this`, and `[path,path]`.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Any, Final

import orjson

from events.errors import RefusalError

MOST_CHARACTERS, MOST_DEPTH = 4_096, 16
USABLE = 'keys, indices, #, #(key=="value"), #(…)#, | and @this'
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt,
    ">": operator.gt,
}  # fmt: skip
_PAIRS = {"(": ")", "[": "]"}


class PathError(RefusalError, ValueError):
    """The path cannot be read; the message says why."""


class Word(Enum):
    """Steps that have no name, and the result of a path that leads nowhere."""

    THIS = "@this"
    EACH = "#"
    MISSING = "nothing"


MISSING: Final = Word.MISSING


@dataclass(frozen=True, slots=True)
class Key:
    """A member of an object, or an element of an array by its index."""

    name: str


@dataclass(frozen=True, slots=True)
class Query:
    """The elements of an array in which the value at `path` compares with `text` as `compare` says;
    if that is empty, those that have a value at `path`."""

    path: "GjsonPath"
    compare: str
    text: str
    every: bool


@dataclass(frozen=True, slots=True)
class Several:
    """`[a,b]`: an array of the values at the paths."""

    paths: Sequence["GjsonPath"]


Step = Key | Query | Several | Word
GjsonPath = Sequence[Sequence[Step]]
"""Parts between pipes; a part is the steps between its dots."""


def parse(text: str, depth: int = 0) -> GjsonPath:
    """Raises PathError."""
    if not text.strip() or len(text) > MOST_CHARACTERS:
        raise PathError(f"it must have 1 to {MOST_CHARACTERS:,} characters, not {len(text):,}")
    if depth > MOST_DEPTH:
        raise PathError(f"it is nested deeper than {MOST_DEPTH} levels")
    return [[_step(word, depth) for word in _split(part, ".")] for part in _split(text, "|")]


def _step(word: str, depth: int) -> Step:
    if word in (Word.THIS.value, Word.EACH.value):
        return Word(word)
    if word.startswith("#("):
        return _query(word, depth)
    if word.startswith("[") and word.endswith("]"):
        return Several([parse(one.strip(), depth + 1) for one in _split(word[1:-1], ",")])
    name = word.replace("\\", "")
    if not name or word[0] in "@!{[(#" or any(one in word for one in "*?"):
        raise PathError(f"{word!r} cannot be used; there are {USABLE}")
    return Key(name)


def _query(word: str, depth: int) -> Query:
    every = word.endswith(")#")
    inner = word[2 : -2 if every else -1]
    for place in _outside(inner):
        compare = next((one for one in _COMPARE if inner.startswith(one, place)), None)
        if compare is not None:
            key, value = inner[:place].strip(), inner[place + len(compare) :].strip()
            return Query(
                parse(key, depth + 1) if key else [[Word.THIS]], compare, _text(value), every
            )
        if inner[place] in "%~":
            raise PathError(
                f"the operator {inner[place]!r} cannot be used; there are {' '.join(_COMPARE)}"
            )
    return Query(parse(inner, depth + 1), "", "", every)


def _text(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(orjson.loads(value))
    except orjson.JSONDecodeError:
        raise PathError(f"{value} is not a string") from None


def _split(text: str, separator: str) -> list[str]:
    edges = [-1, *(place for place in _outside(text) if text[place] == separator), len(text)]
    return [text[a + 1 : b] for a, b in pairwise(edges)]


def _outside(text: str) -> Iterator[int]:
    """The positions outside brackets and quotes that are not escaped. Raises PathError if one is
    not closed."""
    open_ones: list[str] = []
    quoted = escaped = False
    for place, one in enumerate(text):
        if escaped or one == "\\":
            escaped = not escaped
        elif one == '"':
            quoted = not quoted
        elif not quoted:
            if not open_ones:
                yield place
            if one in _PAIRS:
                open_ones.append(_PAIRS[one])
            elif open_ones and one == open_ones[-1]:
                open_ones.pop()
    if quoted or open_ones:
        raise PathError(f"{text!r} lacks a closing {'quote' if quoted else open_ones[-1]}")


def look_up(path: GjsonPath, value: Any) -> Any:
    """The value at the path in a JSON document; MISSING if there is none."""
    for part in path:
        value = _follow(part, value)
    return value


def _follow(steps: Sequence[Step], value: Any) -> Any:
    for number, step in enumerate(steps, 1):
        rest = steps[number:]
        if step is Word.EACH or (isinstance(step, Query) and step.every):
            return _spread(step, rest, value)
        value = _taken(step, value)
    return value


def _spread(step: Step, rest: Sequence[Step], value: Any) -> Any:
    """Follow the rest from each element, and leave out those in which it leads nowhere."""
    if not isinstance(value, list):
        return MISSING
    chosen = [one for one in value if _fits(step, one)] if isinstance(step, Query) else value
    if rest:
        return [found for one in chosen if (found := _follow(rest, one)) is not MISSING]
    return chosen if isinstance(step, Query) else len(chosen)


def _taken(step: Step, value: Any) -> Any:
    match step:
        case Key(name) if isinstance(value, dict):
            return value.get(name, MISSING)
        case Key(name) if isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            return value[int(name)]
        case Query() if isinstance(value, list):
            return next((one for one in value if _fits(step, one)), MISSING)
        case Several(paths):
            return [found for path in paths if (found := look_up(path, value)) is not MISSING]
        case Word.THIS:
            return value
        case _:
            return MISSING


def _fits(query: Query, element: Any) -> bool:
    found = look_up(query.path, element)
    if found is MISSING or not query.compare:
        return found is not MISSING
    match found:
        case bool():
            return _compare_truth(query, found)
        case str():
            return _COMPARE[query.compare](found, query.text)
        case int() | float():
            return _COMPARE[query.compare](found, _number(query.text))
        case _:
            return False


def _compare_truth(query: Query, found: bool) -> bool:
    """As GJSON does it: true is `>=` anything, and false is `<=` anything."""
    match query.compare:
        case "==" | "!=":
            return _COMPARE[query.compare](query.text, "true" if found else "false")
        case ">" | "<":
            return found is (query.compare == ">") and query.text == ("false" if found else "true")
        case _:
            return found is (query.compare == ">=")


def _number(text: str) -> float:
    """As GJSON does it: text that is not a number counts as 0."""
    try:
        return float(text)
    except ValueError:
        return 0.0
