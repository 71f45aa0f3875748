"""The port of a parser, and how numbers and times are read from text."""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from collectors.parsers.refusals import Refusals
from collectors.parsers.texts import Texts
from events.model import EARLIEST, LATEST

Reading = tuple[str, float, datetime | None]
"""A metric's name, its value (it may be NaN or infinite), and its time (aware) if the line tells
one."""

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Parser(Protocol):
    """Finds the wanted metrics in lines. Not thread-safe."""

    @property
    def metrics(self) -> Collection[str]:
        """Those that are wanted."""
        ...

    @property
    def refusals(self) -> Refusals:
        """What was left out so far."""
        ...

    @property
    def texts(self) -> Texts | None:
        """Those that were found so far; None if no metric is a text."""
        ...

    @property
    def words(self) -> Sequence[str] | None:
        """A line without any of these reports nothing; None: any line may."""
        ...

    def __call__(self, line: str) -> Sequence[Reading]:
        """What one line, without its end, reports, in the order of the line. Never raises."""
        ...


def number(text: str) -> float | None:
    """`text` as a number, NaN and infinities included; None if it is not one."""
    if (
        "_" in text or not text.isascii()
    ):  # Python would read 1_000 and Arabic digits; nobody else does
        return None
    try:
        return float(text)
    except ValueError:
        return None


def rfc3339(text: str) -> datetime | None:
    """The time in UTC to the microsecond; None if `text` is not in RFC 3339, or no such day
    exists."""
    if not _RFC3339.fullmatch(text):
        return None
    try:
        return _within_bounds(datetime.fromisoformat(text.upper()).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def line_time(line: str) -> datetime | None:
    """The time before the first space of a line, if that is one in RFC 3339."""
    return rfc3339(line.partition(" ")[0]) if line[4:5] == "-" else None


def seconds(since_epoch: float) -> datetime | None:
    """Seconds since 1970 as a time in UTC; None if out of the calendar."""
    try:
        return _within_bounds(_EPOCH + timedelta(seconds=since_epoch))
    except (ValueError, OverflowError):
        return None


def _within_bounds(at: datetime) -> datetime | None:
    """A time that can be stored; what is far from our century is a mistake of the program."""
    return at if EARLIEST <= at <= LATEST else None
