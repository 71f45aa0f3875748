"""Exit records that a supervisor has to write: each is tried again until the disk takes it."""

import time
from collections.abc import Iterator

from controller.cluster.local.attempts import Attempt, ExitRecord, Register
from controller.cluster.local.server import log_error
from events.backoff import Backoff

WRITE_RETRY_SECONDS = (0.2, 10.0)
"""Before the first retry, and at most between later ones."""


class ExitRecords:
    """The ends that are not on disk yet; an attempt leaves the `register` when its end is
    written."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._unwritten: dict[str, tuple[Attempt, ExitRecord]] = {}
        self._backoff = Backoff(*WRITE_RETRY_SECONDS)
        self.retry_at = float("inf")

    def __iter__(self) -> Iterator[tuple[Attempt, ExitRecord]]:
        """Those that are still to be written."""
        return iter(list(self._unwritten.values()))

    def __bool__(self) -> bool:
        return bool(self._unwritten)

    def write(self, attempt: Attempt, end: ExitRecord) -> None:
        """Write it now; if the disk refuses, later."""
        self._unwritten[attempt.path] = attempt, end
        if len(self._unwritten) == 1:
            self._backoff.reset()
            self._schedule_retry()
        self._try(attempt, end)

    def retry(self) -> None:
        """Try all of them again; called when `retry_at` has come."""
        self._schedule_retry()
        for attempt, end in self:
            self._try(attempt, end)

    def _schedule_retry(self) -> None:
        self.retry_at = time.monotonic() + self._backoff.next()

    def _try(self, attempt: Attempt, end: ExitRecord) -> None:
        try:
            attempt.write_exit(end)
        except FileNotFoundError:
            pass  # its experiment was forgotten meanwhile
        except OSError as error:
            log_error(f"{attempt.folder}: {error}; trying again")
            return
        del self._unwritten[attempt.path]
        self._register.leave(attempt.path)
        if not self._unwritten:
            self.retry_at = float("inf")
