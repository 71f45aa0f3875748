"""Follows a path in GJSON through a document."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from events.spec.gjson import (
    COMPARE,
    Dig,
    GjsonPath,
    Glob,
    Key,
    Literal,
    Modifier,
    PathError,
    Query,
    Several,
    Step,
    letters,
    spreads,
)
from events.spec.gjson_modifiers import MISSING, MODIFIERS

MOST_WORK = 100_000
"""Values that one look-up may look at; a status has some hundred. It takes a fifth of a second."""
LETTERS = 16
"""Characters that count like a value."""
LONGEST_INDEX = 18
"""Digits."""
_TRUTHS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


def look_up(path: GjsonPath, value: Any) -> Any:
    """The value at the path in a JSON document; MISSING if there is none.

    Raises PathError if that takes more than MOST_WORK, or is nested too deeply."""
    try:
        return _Lookup().at(path, value)
    except RecursionError:
        raise PathError("it leads through what is nested too deeply") from None


@dataclass(slots=True)
class _Lookup:
    """One look-up, and the work that is left for it."""

    left: int = MOST_WORK

    def at(self, path: GjsonPath, value: Any) -> Any:
        for part in path:
            value = self._follow(part, value)
        return value

    def _spend(self, work: int) -> None:
        self.left -= work
        if self.left < 0:
            raise PathError(f"it looks at more than {MOST_WORK:,} values; write a simpler one")

    def _follow(self, steps: Sequence[Step], value: Any) -> Any:
        for number, step in enumerate(steps, 1):
            self._spend(1)
            rest = steps[number:]
            if spreads(step):
                return self._spread(step, rest, value)
            if isinstance(step, Glob):
                return self._first_like(step.pattern, rest, value)
            value = self._taken(step, value)
        return value

    def _first_like(self, pattern: str, rest: Sequence[Step], value: Any) -> Any:
        for name, member in value.items() if isinstance(value, dict) else ():
            if (
                self._is_like(name, pattern)
                and (found := self._follow(rest, member)) is not MISSING
            ):
                return found
        return MISSING

    def _is_like(self, text: str, pattern: str) -> bool:
        self._spend(1 + len(text) * len(pattern) // LETTERS)
        return is_like(text, pattern)

    def _spread(self, step: Step, rest: Sequence[Step], value: Any) -> Any:
        """Follow the rest from each element, and leave out those in which it leads nowhere."""
        if not isinstance(value, list):
            return MISSING
        self._spend(len(value))
        query = isinstance(step, Query)
        chosen = [one for one in value if self._fits(step, one)] if query else value
        if rest:
            return [found for one in chosen if (found := self._follow(rest, one)) is not MISSING]
        return chosen if query else len(chosen)

    def _taken(self, step: Step, value: Any) -> Any:
        match step:
            case Key(name) if isinstance(value, dict):
                return value.get(name, MISSING)
            case Key(name) if isinstance(value, list):
                return _element(value, name)
            case Query() if isinstance(value, list):
                return next((one for one in value if self._fits(step, one)), MISSING)
            case Several():
                return self._gathered(step, value)
            case Modifier(name, argument):
                self._measure(value)
                return MODIFIERS[name](value, argument)
            case Dig(path):
                return list(self._dug(path, value))
            case Literal(literal):
                return literal
            case _:
                return MISSING

    def _measure(self, value: Any) -> None:
        """A modifier makes something anew of all that is in the value."""
        self._spend(1)
        match value:
            case dict():
                for name, one in value.items():
                    self._spend(len(name) // LETTERS)
                    self._measure(one)
            case list():
                for one in value:
                    self._measure(one)
            case str():
                self._spend(len(value) // LETTERS)

    def _gathered(self, step: Several, value: Any) -> Any:
        found = [self.at(path, value) for path in step.paths]
        if step.names is None:
            return [one for one in found if one is not MISSING]
        return {
            name: one for name, one in zip(step.names, found, strict=True) if one is not MISSING
        }

    def _dug(self, path: GjsonPath, value: Any) -> Iterator[Any]:
        self._spend(1)
        if (found := self.at(path, value)) is not MISSING:
            yield found
        if isinstance(value, dict | list):
            for one in value.values() if isinstance(value, dict) else value:
                yield from self._dug(path, one)

    def _fits(self, query: Any, element: Any) -> bool:
        self._spend(1)
        found, text = self.at(query.path, element), query.text
        if text.startswith("~"):
            found, text = _as_truth(text[1:], found), "true"
        if found is MISSING or not query.compare:
            return found is not MISSING
        if query.compare in ("%", "!%"):
            return isinstance(found, str) and self._is_like(found, text) is (query.compare == "%")
        return _compares(query.compare, text, found)


def _element(value: list[Any], name: str) -> Any:
    """The element with the index that is written; MISSING if there is none."""
    index = int(name) if name.isdecimal() and len(name) <= LONGEST_INDEX else len(value)
    return value[index] if index < len(value) else MISSING


def _compares(compare: str, text: str, found: Any) -> bool:
    match found:
        case bool():
            return _compare_truth(compare, text, found)
        case str():
            return COMPARE[compare](found, text)
        case int() | float():
            return COMPARE[compare](found, _number(text))
        case _:
            return False


def _as_truth(wanted: str, found: Any) -> Any:
    """Is what was found like the word after `~`? MISSING if there is no such word."""
    nothing = found is MISSING or found is None
    match wanted:
        case "*":
            return found is not MISSING
        case "null":
            return nothing
        case "true" | "false":
            truth = False if nothing else _truth(found)
            return truth is (wanted == "true")
        case _:
            return MISSING


def _truth(found: Any) -> bool | None:
    """None if it is neither true nor false."""
    match found:
        case bool() | int() | float():
            return bool(found)
        case str():
            return _TRUTHS.get(found.lower())
        case _:
            return None


def _compare_truth(compare: str, text: str, found: bool) -> bool:
    """As GJSON does it: true is `>=` anything, and false is `<=` anything."""
    match compare:
        case "==" | "=" | "!=":
            return COMPARE[compare](text, "true" if found else "false")
        case ">" | "<":
            return found is (compare == ">") and text == ("false" if found else "true")
        case _:
            return found is (compare == ">=")


def _number(text: str) -> float:
    """As GJSON does it: text that is not a number counts as 0."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def is_like(text: str, pattern: str) -> bool:
    """Does `*` stand for any text and `?` for any letter? Takes at most the product of both
    lengths."""
    wanted = [(one, not escaped and one in "*?") for one, escaped in letters(pattern)]
    at = place = 0
    star, seen = -1, 0
    while at < len(text):
        one, special = wanted[place] if place < len(wanted) else ("", False)
        if special and one == "*":
            star, seen, place = place, at, place + 1
        elif one and (special or one == text[at]):
            at, place = at + 1, place + 1
        elif star >= 0:
            seen, at, place = seen + 1, seen + 1, star + 1
        else:
            return False
    return all(one == ("*", True) for one in wanted[place:])
