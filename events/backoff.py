"""Pauses between tries: each twice as long as the one before, up to a limit, and shortened at
random.

It imports next to nothing, because the supervisors of local trials use it, too.
"""

import os


class Backoff:
    """Pauses from `first` to `longest` seconds. Each is shortened by up to half, so that those who
    failed together do not try again together."""

    __slots__ = ("_first", "_longest", "_pause")

    def __init__(self, first: float, longest: float) -> None:
        self._first = self._pause = first
        self._longest = longest

    def next(self) -> float:
        """The seconds until the next try; the pause after that is twice as long."""
        pause, self._pause = self._pause, min(2 * self._pause, self._longest)
        return pause * (1 - int.from_bytes(os.urandom(4), "big") / 2**33)

    def reset(self) -> None:
        """A try was a success: begin again with the first pause."""
        self._pause = self._first
