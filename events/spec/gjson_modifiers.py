"""The modifiers of GJSON, such as `@reverse`: each makes another document of its own."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

import orjson


class Word(Enum):
    """The step to each element of an array, and the result of a path that leads nowhere."""

    EACH = "#"
    MISSING = "nothing"


MISSING: Final = Word.MISSING


def _flag(argument: str, name: str) -> bool:
    """Is the flag set in an argument such as `{"deep":true}`?"""
    try:
        flags = orjson.loads(argument)
    except orjson.JSONDecodeError:
        return False
    return isinstance(flags, dict) and flags.get(name) is True


def _same(value: Any, _: str) -> Any:
    return value


def _reverse(value: Any, _: str) -> Any:
    match value:
        case list():
            return value[::-1]
        case dict():
            return dict(reversed(value.items()))
        case _:
            return value


def _flatten(value: Any, argument: str) -> Any:
    if not isinstance(value, list):
        return value
    flat: list[Any] = []
    for one in value:
        if isinstance(one, list):
            flat += _flatten(one, argument) if _flag(argument, "deep") else one
        else:
            flat.append(one)
    return flat


def _keys(value: Any, _: str) -> Any:
    match value:
        case dict():
            return list(value)
        case list():
            return [None] * len(value)
        case _:
            return [] if value is MISSING else [None]


def _values(value: Any, _: str) -> Any:
    match value:
        case dict():
            return list(value.values())
        case list():
            return value
        case _:
            return [] if value is MISSING else [value]


def _join(value: Any, _: str) -> Any:
    if not isinstance(value, list):
        return value
    joined: dict[str, Any] = {}
    for one in value:
        joined |= one if isinstance(one, dict) else {}
    return joined


def _to_string(value: Any, _: str) -> Any:
    try:
        return "" if value is MISSING else orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # nested deeper than it writes
        return MISSING


def _from_string(value: Any, _: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return MISSING


def _group(value: Any, _: str) -> Any:
    if not isinstance(value, dict):
        return MISSING
    lists = {name: one for name, one in value.items() if isinstance(one, list)}
    longest = max(map(len, lists.values()), default=0)
    return [
        {name: one[index] for name, one in lists.items() if index < len(one)}
        for index in range(longest)
    ]


MODIFIERS: Mapping[str, Callable[[Any, str], Any]] = {
    "this": _same, "valid": _same, "pretty": _same, "ugly": _same, "reverse": _reverse,
    "flatten": _flatten, "keys": _keys, "values": _values, "join": _join, "tostr": _to_string,
    "fromstr": _from_string, "group": _group,
}  # fmt: skip
"""By name; each takes a value and the text of its argument. `dig`, which follows a path, is not
among them."""
