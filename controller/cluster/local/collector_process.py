"""The collector beside one trial: started, started again when it dies, told when the trial has ended."""

import os
import sys
import time
from contextlib import suppress

from controller.cluster.local.attempts import Attempt
from controller.cluster.local.json_socket import Message
from controller.cluster.local.spawn import Command, SpawnError, spawn

PAUSE = (0.5, 30.0)
"""Seconds before the first and between later attempts to start it again."""
PATIENCE = 3600.0
"""Seconds after the trial's end for which a collector that dies, or cannot be started, is started again."""


class CollectorProcess:
    """Its standard input is a pipe that we hold: the end of that is the word that the trial has ended."""

    def __init__(self, attempt: Attempt, request: Message) -> None:
        self._attempt = attempt
        self._command = Command(request["argv"], {**os.environ, **request["env"]}, attempt.folder)
        self._log = os.path.join(attempt.folder, "collector.log")
        self._hold: int | None = None
        self._pause = PAUSE[0]
        self.pid: int | None = None
        self.until = float("inf")
        """When it is started no more."""
        self.deadline = float("inf")
        """When it is to be started again."""
        self.over = False
        """Has it said that all is reported, or is it given up?"""
        self.start()

    def start(self) -> None:
        """Start it now; if that fails, later."""
        self.deadline = float("inf")
        try:
            source, self._hold = os.pipe2(os.O_CLOEXEC)
            try:
                self.pid = spawn(self._command, self._log, source, lasting=True)
            finally:
                os.close(source)
        except (SpawnError, OSError) as error:  # OSError: no file descriptors are left
            self._let_go()
            self._later()
            with suppress(OSError):  # the log may be on the disk that is full
                print(f"{self._attempt.folder}: the collector cannot be started: {error}", file=sys.stderr, flush=True)
        if self.until < float("inf"):
            self._let_go()

    def end(self) -> None:
        """The trial has ended: nothing more is written."""
        self.until = time.monotonic() + PATIENCE
        self._let_go()

    def reaped(self, status: int) -> None:
        """Its process has ended."""
        self.pid = None
        self._let_go()
        self.over = os.waitstatus_to_exitcode(status) == 0
        if not self.over:
            self._later()

    def _later(self) -> None:
        self.over = time.monotonic() > self.until
        self.deadline = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, PAUSE[1])

    def _let_go(self) -> None:
        if self._hold is not None:
            with suppress(OSError):
                os.close(self._hold)
            self._hold = None
