"""The API server's JSON as parsed values, also where one of many objects is nested too deeply, and
single fields of an object, whatever stands there."""

import re
from datetime import datetime
from typing import Any

import orjson

MAX_DEPTH = 200
"""Levels of a whole answer: what lies deeper is null where orjson alone refuses all of it."""
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
"""A text, whole or broken off, or a bracket; takes linear time, also where no text ends."""


def parse_json(data: bytes) -> Any:
    """Parse an answer. An object that is too deep for orjson hides none beside it: it is cut, and
    still deeper than an experiment may be. Raises orjson.JSONDecodeError."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return orjson.loads(cut(data))


def cut(data: bytes) -> bytes:
    """The JSON with null in place of each list or object that lies below MAX_DEPTH levels."""
    kept, begin, depth = bytearray(), 0, 0
    for token in _TOKEN.finditer(data):
        match token[0]:
            case b"{" | b"[":
                depth += 1
                if depth == MAX_DEPTH + 1:
                    kept += data[begin : token.start()] + b"null"
            case b"}" | b"]":
                depth -= 1
                if depth == MAX_DEPTH:
                    begin = token.end()
    return bytes(kept + data[begin:])


def dict_of(tree: Any, key: str) -> dict[str, Any]:
    found = tree.get(key) if isinstance(tree, dict) else None
    return found if isinstance(found, dict) else {}


def list_of(tree: Any, key: str) -> list[dict[str, Any]]:
    """The objects of a list."""
    found = tree.get(key) if isinstance(tree, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def text_of(tree: Any, key: str) -> str:
    found = tree.get(key) if isinstance(tree, dict) else None
    return found if isinstance(found, str) else ""


def time_of(tree: Any, key: str) -> datetime | None:
    """A moment with its time zone; None if there is none."""
    try:
        found = datetime.fromisoformat(text_of(tree, key))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def number_of(tree: Any, key: str) -> int | None:
    found = tree.get(key) if isinstance(tree, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None
