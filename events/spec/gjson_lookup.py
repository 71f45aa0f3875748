"""Follows a path in GJSON through a document."""

from collections.abc import Iterator, Sequence
from typing import Any

from events.spec.gjson import (
    COMPARE,
    Dig,
    GjsonPath,
    Glob,
    Key,
    Literal,
    Modifier,
    Query,
    Several,
    Step,
    letters,
    spreads,
)
from events.spec.gjson_modifiers import MISSING, MODIFIERS

_TRUTHS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


def look_up(path: GjsonPath, value: Any) -> Any:
    """The value at the path in a JSON document; MISSING if there is none."""
    for part in path:
        value = _follow(part, value)
    return value


def _follow(steps: Sequence[Step], value: Any) -> Any:
    for number, step in enumerate(steps, 1):
        rest = steps[number:]
        if spreads(step):
            return _spread(step, rest, value)
        if isinstance(step, Glob):
            return _first_like(step.pattern, rest, value)
        value = _taken(step, value)
    return value


def _first_like(pattern: str, rest: Sequence[Step], value: Any) -> Any:
    for name, member in value.items() if isinstance(value, dict) else ():
        if is_like(name, pattern) and (found := _follow(rest, member)) is not MISSING:
            return found
    return MISSING


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
        case Several():
            return _gathered(step, value)
        case Modifier(name, argument):
            return MODIFIERS[name](value, argument)
        case Dig(path):
            return list(_dug(path, value))
        case Literal(literal):
            return literal
        case _:
            return MISSING


def _gathered(step: Several, value: Any) -> Any:
    found = [look_up(path, value) for path in step.paths]
    if step.names is None:
        return [one for one in found if one is not MISSING]
    return {name: one for name, one in zip(step.names, found, strict=True) if one is not MISSING}


def _dug(path: GjsonPath, value: Any) -> Iterator[Any]:
    if (found := look_up(path, value)) is not MISSING:
        yield found
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _dug(path, one)


def _fits(query: Query, element: Any) -> bool:
    found, text = look_up(query.path, element), query.text
    if text.startswith("~"):
        found, text = _as_truth(text[1:], found), "true"
    if found is MISSING or not query.compare:
        return found is not MISSING
    if query.compare in ("%", "!%"):
        return isinstance(found, str) and is_like(found, text) is (query.compare == "%")
    match found:
        case bool():
            return _compare_truth(query.compare, text, found)
        case str():
            return COMPARE[query.compare](found, text)
        case int() | float():
            return COMPARE[query.compare](found, _number(text))
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
