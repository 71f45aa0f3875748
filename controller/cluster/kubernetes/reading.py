"""The API server's JSON as parsed values, also where one of many objects is nested too deeply."""

import re
from typing import Any

import orjson

MAX_DEPTH = 200
"""Levels of a whole answer: what lies deeper is null where orjson alone refuses all of it."""
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


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
