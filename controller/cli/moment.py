"""Read how a person names a moment: by a time, an age, or an event."""

import re
from datetime import datetime, time, timedelta
from typing import Annotated
from uuid import UUID

import typer

from controller.cli.errors import CommandError
from controller.cli.exits import ExitCode

ALLOWED = (
    "give a time such as 2026-03-01T12:00:00Z (without a zone: local time), "
    "a clock time such as 14:30, an age such as 90s, 10m, 2h or 1d"
)
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="TIME|EVENT",
        help="As it was then: a time, a clock time (14:30), an age (10m), or an event by its "
        "number (57) or id.",
    ),
]
_AGE = re.compile(r"(\d+(?:\.\d+)?) ?(s|m|min|h|d)(?: ago)?")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_NUMBER = re.compile(r"#?(\d{1,18})")


def read_moment(option: str, text: str, now: datetime) -> datetime | UUID | int:
    """A time not after `now`, or an event: its id, or its number among the events of its
    experiment."""
    if number := _NUMBER.fullmatch(text):
        return int(number[1])
    try:
        return UUID(text)
    except ValueError:
        return read_time(option, text, now, f"{ALLOWED}, an event's number such as 57, or its id")


def read_time(option: str, text: str, now: datetime, allowed: str = ALLOWED) -> datetime:
    """A time not after `now`. Raises CommandError that says what is `allowed`."""
    try:
        at = _age(text, now) or _clock(text, now) or datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise CommandError(
            f"{option}: {text!r} is not a time; {allowed}", ExitCode.INVALID
        ) from None
    if at > now:
        clock = now.astimezone().isoformat(timespec="seconds")
        message = f"{option}: {text!r} is in the future; it is {clock} now"
        raise CommandError(message, ExitCode.INVALID)
    return at


def _age(text: str, now: datetime) -> datetime | None:
    found = _AGE.fullmatch(text)
    return now - timedelta(seconds=float(found[1]) * _SECONDS[found[2]]) if found else None


def _clock(text: str, now: datetime) -> datetime | None:
    """The last time at which a local clock showed this."""
    if ":" not in text[:3]:
        return None
    at = datetime.combine(now.astimezone().date(), time.fromisoformat(text)).astimezone()
    return at if at <= now else at - timedelta(days=1)
