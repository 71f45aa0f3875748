"""Find metrics in lines of JSON, one object a line (Katib's JSON format)."""

import json
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from collectors.parsers.reading import Reading, number, rfc3339, seconds
from collectors.parsers.refusals import Refusals


class JsonLines:
    """The parser of JSON lines: a metric's value is a number, or a string that holds one.

    The key `timestamp` is an RFC 3339 string or seconds since 1970.
    """

    def __init__(self, metrics: Sequence[str]) -> None:
        self.words = None  # a key may be written with escapes
        self.metrics = tuple(dict.fromkeys(metrics))
        self.refusals = Refusals()
        self.texts = None

    def __call__(self, line: str) -> Sequence[Reading]:
        if not line.strip():
            return ()
        tree = json_object(line)
        if tree is None:
            self.refusals.skipped += 1
            return ()
        values = [(metric, _value(tree.get(metric))) for metric in self.metrics]
        at = _time(tree.get("timestamp"))
        found = [(metric, value, at) for metric, value in values if value is not None]
        if len(found) < len(values):
            for metric, value in values:
                if value is None and metric in tree:
                    self.refusals.add(metric, str(tree[metric]))
        return found


def json_object(line: str) -> dict[str, Any] | None:
    """The object that the line is; None if it is none."""
    try:
        # not orjson: Python's json.dumps writes NaN and Infinity, and only its json.loads reads
        # them
        tree = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return tree if isinstance(tree, dict) else None


def _value(value: object) -> float | None:
    match value:
        case bool():
            return None
        case str():
            return number(value.strip())
        case int() | float():
            return _float(value)
    return None


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return math.inf if value > 0 else -math.inf


def _time(value: object) -> datetime | None:
    match value:
        case bool():
            return None
        case str():
            return rfc3339(value.strip())
        case int() | float():
            return seconds(value)
    return None
