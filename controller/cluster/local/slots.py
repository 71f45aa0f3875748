"""The slots of a data folder: so many trials run at once, whichever supervisors run them."""

import fcntl
import os
from collections import Counter
from contextlib import suppress

NAME = 36
"""Bytes of an experiment's id, and of a slot."""


class Slots:
    """A slot is a piece of the file `path` that names an experiment, locked by the supervisor whose
    trial has it: the lock ends with the process, so nobody has to clean up."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: int | None = None
        self._taken: dict[str, int] = {}

    def take(self, path: str, limit: int) -> bool:
        """Take one of the first `limit` slots for an attempt; False if none is free. Raises
        OSError."""
        taken = set(self._taken.values())
        for number in range(limit):
            if number not in taken and self._lock(number):
                self._taken[path] = number
                with suppress(OSError):  # a full disk: the name serves fairness only
                    self._write(path[:NAME].encode(), number * NAME)
                return True
        return False

    def free(self, path: str) -> None:
        """The attempt needs its slot no longer; one that has none is passed over."""
        number = self._taken.pop(path, None)
        if number is not None:
            self._unlock(number)

    def survey(self, limit: int) -> tuple[Counter[str], int]:
        """How many of the first `limit` slots each experiment has, and the number of the first that
        is free, `limit` if none is. Raises OSError."""
        found = Counter(path[:NAME] for path in self._taken)
        taken, free = set(self._taken.values()), limit
        used = min(limit, os.fstat(self._open()).st_size // NAME)
        for number in range(used):
            if number in taken:
                continue
            if self._lock(number):
                self._unlock(number)
                free = min(free, number)
            else:
                found[os.pread(self._open(), NAME, number * NAME).decode(errors="replace")] += 1
        return found, min(free, used)

    def _write(self, name: bytes, place: int) -> None:
        """Mostly it is there from the experiment's last trial: reading waits for no disk."""
        if os.pread(self._open(), NAME, place) != name:
            os.pwrite(self._open(), name, place)

    def _open(self) -> int:
        if self._file is None:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        return self._file

    def _lock(self, number: int) -> bool:
        kind = fcntl.LOCK_EX | fcntl.LOCK_NB
        try:
            fcntl.lockf(self._open(), kind, NAME, number * NAME)
        except (BlockingIOError, PermissionError):  # POSIX allows both
            return False
        return True

    def _unlock(self, number: int) -> None:
        fcntl.lockf(self._open(), fcntl.LOCK_UN, NAME, number * NAME)
