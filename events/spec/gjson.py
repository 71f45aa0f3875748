"""Paths in GJSON, the language of Katib's success and failure conditions: parsed once, looked up in
any document.

All of https://github.com/tidwall/gjson/blob/master/SYNTAX.md but lines of JSON (`..`) and empty
keys, which no status of a workload has.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import orjson

from events.errors import RefusalError
from events.spec.gjson_modifiers import MODIFIERS, Word

MOST_CHARACTERS, MOST_DEPTH = 4_096, 16
USABLE = 'keys, indices, * and ?, #, #(key=="value"), #(…)#, |, […], {…}, !literals and @modifiers'
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "=": operator.eq,
    "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_LIKE = ("!%", "%")
_PAIRS = {"(": ")", "[": "]", "{": "}"}


class PathError(RefusalError, ValueError):
    """The path cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Key:
    """A member of an object, or an element of an array by its index."""

    name: str


@dataclass(frozen=True, slots=True)
class Glob:
    """The first member of an object whose name is like `pattern`, and from which the path goes
    on."""

    pattern: str


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
    """`[a,b]`: an array of the values at the paths; `{a,b}`: an object of them, by name."""

    paths: Sequence["GjsonPath"]
    names: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Modifier:
    name: str
    argument: str


@dataclass(frozen=True, slots=True)
class Dig:
    """`@dig:path`: the values at the path from here, and from everything within."""

    path: "GjsonPath"


@dataclass(frozen=True, slots=True)
class Literal:
    """`!"text"`: a value of its own."""

    value: Any


Step = Key | Glob | Query | Several | Modifier | Dig | Literal | Word
GjsonPath = Sequence[Sequence[Step]]
"""Parts between pipes; a part is the steps between its dots."""


def parse(text: str, depth: int = 0) -> GjsonPath:
    """Raises PathError."""
    if not text.strip() or len(text) > MOST_CHARACTERS:
        raise PathError(f"it must have 1 to {MOST_CHARACTERS:,} characters, not {len(text):,}")
    if depth > MOST_DEPTH:
        raise PathError(f"it is nested deeper than {MOST_DEPTH} levels")
    parts: list[list[Step]] = []
    for part in _split(text, "|"):
        parts.append([])
        for word in _words(part):
            step = _step(word, depth, first=not parts[-1])
            pipes = isinstance(step, Modifier | Dig | Several) and not any(map(spreads, parts[-1]))
            if pipes and parts[-1]:  # a dot before it means the same as a pipe
                parts.append([])
            parts[-1].append(step)
    return parts


def spreads(step: Step) -> bool:
    """Does the rest of the path begin at each of several elements?"""
    return step is Word.EACH or (isinstance(step, Query) and step.every)


def _words(part: str) -> Iterator[str]:
    """The texts between the dots; an argument that is no JSON goes on to the end of the part."""
    words = _split(part, ".")
    for number, word in enumerate(words):
        name, colon, argument = word.partition(":")
        if name[:1] == "@" and colon and argument[:1] not in ("{", "[", '"'):
            yield ".".join(words[number:])
            return
        yield word


def _step(word: str, depth: int, *, first: bool) -> Step:
    if word == Word.EACH.value:
        return Word.EACH
    if word.startswith(("#(", "#[")):
        return _query(word, depth)
    if word[:1] in ("[", "{") and word.endswith(_PAIRS[word[0]]):
        return _several(word, depth)
    if word.startswith("@"):
        return _modifier(word, depth)
    if first and word.startswith("!"):
        return _literal(word)
    if not word or word[0] in "!{[(#":
        raise PathError(f"{word!r} cannot be used; there are {USABLE}")
    plain = "".join(letter for letter, escaped in letters(word) if not escaped)
    return Glob(word) if set("*?") & set(plain) else Key(_unescaped(word))


def letters(word: str) -> Iterator[tuple[str, bool]]:
    """Each letter, and whether it is escaped; without the backslashes that escape."""
    escaped = False
    for one in word:
        if one == "\\" and not escaped:
            escaped = True
        else:
            yield one, escaped
            escaped = False


def _unescaped(word: str) -> str:
    return "".join(letter for letter, _ in letters(word))


def _modifier(word: str, depth: int) -> Step:
    name, _, argument = word[1:].partition(":")
    if name == "dig":
        return Dig(parse(argument, depth + 1))
    if name not in MODIFIERS:
        raise PathError(
            f"there is no modifier {name!r}; there are {', '.join((*MODIFIERS, 'dig'))}"
        )
    return Modifier(name, argument)


def _literal(word: str) -> Literal:
    try:
        return Literal(orjson.loads(word[1:]))
    except orjson.JSONDecodeError:
        raise PathError(f"{word!r} is not a literal, such as !true or !1") from None


def _several(word: str, depth: int) -> Several:
    members = [one.strip() for one in _split(word[1:-1], ",")]
    if word[0] == "[":
        return Several([parse(one, depth + 1) for one in members], None)
    named = [_named(one) for one in members]
    return Several([parse(path, depth + 1) for _, path in named], [name for name, _ in named])


def _named(member: str) -> tuple[str, str]:
    """The name of a member of `{…}`, and its path; the name is the path's last word if there is no
    other."""
    name, *rest = _split(member, ":")
    if rest and not name.startswith("@"):
        return _text(name.strip()), ":".join(rest).strip()
    last = _split(_split(member, "|")[-1], ".")[-1]
    return ("_" if set(last) & set("[]{}()#|!") else last), member


def _query(word: str, depth: int) -> Query:
    every = word.endswith("#")
    inner = word[2 : -2 if every else -1]
    if word[-2 if every else -1 :][:1] != _PAIRS[word[1]]:
        raise PathError(f"{word!r} cannot be used; there are {USABLE}")
    for place in _outside(inner):
        if inner[place] in "!=<>%":
            found = next((one for one in (*_LIKE, *COMPARE) if inner.startswith(one, place)), None)
            if found is None:
                told = " ".join((*COMPARE, *_LIKE))
                raise PathError(f"there is no operator {inner[place]!r}; there are {told}")
            key, value = inner[:place].strip(), inner[place + len(found) :].strip()
            path = parse(key, depth + 1) if key else [[Modifier("this", "")]]
            return Query(path, found, _text(value), every)
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
