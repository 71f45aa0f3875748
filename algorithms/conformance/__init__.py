"""The conformance suite: checks on any algorithm, plugins included, that it keeps its promises."""

from collections.abc import Iterator
from dataclasses import dataclass

from algorithms.conformance.promises import PROMISES
from algorithms.conformance.subject import BrokenPromiseError, Subject

__all__ = ["BrokenPromiseError", "Subject", "Verdict", "examined"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one check."""

    promise: str
    meaning: str
    fault: str | None
    """How the promise was broken; None if it was kept."""


def examine(subject: Subject) -> Iterator[Verdict]:
    """Check each promise in turn; an exception of the algorithm breaks it, too."""
    for name, promise in PROMISES.items():
        fault = None
        try:
            promise(subject)
        except BrokenPromiseError as error:
            fault = str(error)
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
        yield Verdict(name, " ".join((promise.__doc__ or "").split()), fault)
