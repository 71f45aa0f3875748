"""Tokens: a place in the stream of events as opaque text, to go on from there later."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

PREFIX = "ts1."


class TokenRefusedError(ValueError):
    """The text is no token, or one of another stream."""


class _Content(BaseModel):
    model_config = ConfigDict(strict=True)
    log: str
    next: dict[int, int]


@dataclass(frozen=True, slots=True)
class Place:
    """For each partition of the log `log`, the position of the next event."""

    log: str
    positions: Mapping[int, int]

    @property
    def token(self) -> str:
        """Letters, digits, `.`, `-` and `_` only."""
        content = _Content(log=self.log, next=dict(self.positions)).model_dump_json().encode()
        return PREFIX + base64.urlsafe_b64encode(content).decode().rstrip("=")


def is_token(text: str) -> bool:
    return text.startswith(PREFIX)


def read_token(text: str) -> Place:
    """Raises TokenRefusedError if the text was cut off or changed."""
    coded = text.removeprefix(PREFIX) if is_token(text) else ""
    try:
        content = _Content.model_validate_json(base64.b64decode(coded + "=" * (-len(coded) % 4), b"-_", validate=True))
    except (binascii.Error, ValidationError, ValueError):
        raise TokenRefusedError(f"{text!r} is no token, or not all of it; give one as event.token gave it") from None
    return Place(content.log, content.next)
