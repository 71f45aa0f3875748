"""What a benchmark hands back, and how it says where it stands."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field


class CannotMeasureError(Exception):
    """The benchmark cannot run here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures by name, the Postgres that took part, and the packages whose versions count
    beside ours.

    A figure that could not be told is left out, as is a Postgres where none took part.
    """

    figures: Mapping[str, float]
    postgres: str | None = None
    packages: tuple[str, ...] = field(default=())


def say(text: str) -> None:
    """One line of progress, apart from the results."""
    print(text, file=sys.stderr, flush=True)
