"""Ends what takes too much processor time: an input that hangs is a failure, too, with its name."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from tests.fuzz.generator import SEED, Generator, examples

SECONDS = 2.0
"""Of processor time, for one input; most take milliseconds."""


@contextmanager
def within(seconds: float, name: str) -> Iterator[None]:
    """Fail if the block uses more processor time than that, wherever it is then."""

    def end(_: int, frame: FrameType | None) -> None:
        pytest.fail(f"{name} took more than {seconds} s of processor time")

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def may_refuse(*errors: type[Exception]) -> Iterator[None]:
    """One of these may end the block, if it says why."""
    try:
        yield
    except errors as error:
        if not str(error):
            raise


def ask(count: int, examine: Callable[[Generator], None], *words: str) -> None:
    """Examine so many inputs. What fails says the number, which gives the same input again."""
    for number, make in examples(SEED, count):
        make.words = words
        name = f"input {number} of HYPOTHESIS_SEED={SEED}"
        with within(SECONDS, name):
            try:
                examine(make)
            except Exception as error:
                error.add_note(name)
                raise
