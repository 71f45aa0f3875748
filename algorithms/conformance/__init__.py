"""The conformance suite: what every algorithm promises, examined on any of them, plugins included."""

from collections.abc import Iterator
from dataclasses import dataclass

from algorithms.conformance.promises import PROMISES
from algorithms.conformance.subject import BrokenPromiseError, Subject

__all__ = ["BrokenPromiseError", "Subject", "Verdict", "examined"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one promise."""

    promise: str
    meaning: str
    fault: str | None
    """How it was broken; None: it was kept."""


def examine(subject: Subject) -> Iterator[Verdict]:
    """Examine each promise in turn; an algorithm that raises has broken it."""
    for name, promise in PROMISES.items():
        fault = None
        try:
            promise(subject)
        except BrokenPromiseError as error:
            fault = str(error)
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
        yield Verdict(name, (promise.__doc__ or "").strip(), fault)
