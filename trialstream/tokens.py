"""Tokens: a place in the stream of events as opaque text, to go on from there later."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from trialstream.errors import RefusalError

TOKEN_PREFIX = "ts1."
Kind = TypeVar("Kind")


class TokenRefusedError(RefusalError, ValueError):
    """The text is not a token, or one of another stream."""


@dataclass(frozen=True)
class StreamPosition:
    """For each partition of the log `log`, the position of the next event."""

    log: str
    positions: Mapping[int, int]

    @property
    def token(self) -> str:
        """Letters, digits, `.`, `-` and `_` only."""
        content = {"log": self.log, "next": dict(self.positions)}
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return TOKEN_PREFIX + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def is_token(text: str) -> bool:
    return text.startswith(TOKEN_PREFIX)


def read_token(text: str) -> StreamPosition:
    """Raises TokenRefusedError if the text was cut off or changed."""
    coded = text[len(TOKEN_PREFIX) :] if is_token(text) else ""
    try:
        tree = json.loads(base64.b64decode(coded + "=" * (-len(coded) % 4), b"-_", validate=True))
        return StreamPosition(
            _kept(tree["log"], str),
            {int(part): _kept(at, int) for part, at in tree["next"].items()},
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise TokenRefusedError(
            f"{text!r} is not a token, or not all of it; give one as event.token gave it"
        ) from None


def _kept(value: Any, kind: type[Kind]) -> Kind:
    """`value`, if it is just of this kind."""
    if type(value) is not kind:
        raise TypeError
    return value
