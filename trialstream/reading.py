"""Facts from JSON: what a fact's annotations promise is checked, what this version does not know is
passed over."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from trialstream.attributes import TYPE_PREFIX, VERSION, UnreadableRecordError
from trialstream.facts import Fact

_FACTS: dict[str, type[Fact]] = {fact.type: fact for fact in get_args(Fact)}


def read_fact(kind: str, value: bytes) -> Fact:
    """The fact of a record with this ce_type. Raises UnreadableRecordError with the reason."""
    if not (kind.startswith(TYPE_PREFIX) and kind.endswith(VERSION)):
        raise UnreadableRecordError(
            f"the type {kind!r} is not known; this version reads {TYPE_PREFIX}*{VERSION}"
        )
    name = kind[len(TYPE_PREFIX) : -len(VERSION)]
    if name not in _FACTS:
        raise UnreadableRecordError(f"the type {kind!r} is not known")
    try:
        tree = json.loads(value)
        if not isinstance(tree, dict) or tree.get("type") != name:
            raise ValueError(f"the header says {name!r}")
        fact: Fact = _read(_FACTS[name], _with_values(name, tree))
    except (ValueError, RecursionError) as error:
        raise UnreadableRecordError(f"the body is not valid: {error}") from None
    return fact


def _with_values(name: str, tree: dict[str, Any]) -> dict[str, Any]:
    """A fact from before there could be several objectives says one value."""
    if name == "trial.concluded" and "values" not in tree and tree.get("value") is not None:
        return {**tree, "values": [tree["value"]]}
    return tree


def _read(kind: Any, value: Any) -> Any:
    """`value`, of JSON, as `kind`. Raises ValueError."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is Union:
        return _read(type(value) if type(value) in arguments else arguments[0], value)
    if origin is tuple and isinstance(value, list):
        return tuple(_read(arguments[0], one) for one in value)
    if origin is Mapping and isinstance(value, dict):
        return {name: _read(arguments[1], one) for name, one in value.items()}
    if isinstance(kind, type):
        return _read_class(kind, value)
    raise ValueError(f"{value!r} is not of the type {kind}")


def _read_class(kind: type, value: Any) -> Any:
    if is_dataclass(kind) and isinstance(value, dict):
        return _read_fields(kind, value)
    if issubclass(kind, Enum):
        return kind(value)
    if kind is datetime and isinstance(value, str):
        return datetime.fromisoformat(value[:-1] + "+00:00" if value.endswith("Z") else value)
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if kind is not float and type(value) is kind:
        return value
    raise ValueError(f"{value!r} is not of the type {kind.__name__}")


def _read_fields(kind: Any, tree: dict[str, Any]) -> Any:
    hints, values = _hints(kind), {}
    for one in fields(kind):
        if one.name in tree:
            try:
                values[one.name] = _read(hints[one.name], tree[one.name])
            except (ValueError, OverflowError) as error:
                raise ValueError(f"{one.name}: {error}") from None
        elif one.default is MISSING and one.default_factory is MISSING:
            raise ValueError(f"{one.name} is missing")
    return kind(**values)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
