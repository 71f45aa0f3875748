"""The collector process beside one trial: it is started, restarted when it dies, and told when the
trial has ended."""

import os
import sys
import time
from contextlib import suppress

from controller.cluster.local.attempts import Attempt
from controller.cluster.local.json_socket import Message
from controller.cluster.local.spawn import Command, SpawnError, spawn
from events.backoff import Backoff

RESTART_PAUSE = (0.5, 30.0)
"""Seconds before the first restart, and at most between later ones."""
RESTART_SECONDS = 3600.0
"""How long after the trial's end a collector that dies, or cannot be started, is restarted."""


class CollectorProcess:
    """Its standard input is a pipe that we hold open: we close it to tell that the trial has
    ended."""

    def __init__(self, attempt: Attempt, request: Message) -> None:
        self._attempt = attempt
        self._command = Command(request["argv"], {**os.environ, **request["env"]}, attempt.folder)
        self._log = os.path.join(attempt.folder, "collector.log")
        self._input: int | None = None
        self._backoff = Backoff(*RESTART_PAUSE)
        self.pid: int | None = None
        self.restart_until = float("inf")
        """It is not restarted after this moment."""
        self.restart_at = float("inf")
        """When the next restart is due."""
        self.finished = False
        """Has it reported everything, or is it given up?"""
        self.start()

    def start(self) -> None:
        """Start it now; if that fails, try again later."""
        self.restart_at = float("inf")
        try:
            source, self._input = os.pipe2(os.O_CLOEXEC)
            try:
                self.pid = spawn(self._command, self._log, source, lasting=True)
            finally:
                os.close(source)
        except (SpawnError, OSError) as error:  # OSError: no file descriptors are left
            self._close_input()
            self._schedule_restart()
            with suppress(OSError):  # the log may be on the disk that is full
                print(
                    f"{self._attempt.folder}: the collector cannot be started: {error}",
                    file=sys.stderr,
                    flush=True,
                )
        if self.restart_until < float("inf"):
            self._close_input()

    def end(self) -> None:
        """The trial has ended: nothing more is written."""
        self.restart_until = time.monotonic() + RESTART_SECONDS
        self._close_input()

    def handle_exit(self, status: int) -> None:
        """Its process has ended."""
        self.pid = None
        self._close_input()
        self.finished = os.waitstatus_to_exitcode(status) == 0
        if not self.finished:
            self._schedule_restart()

    def _schedule_restart(self) -> None:
        self.finished = time.monotonic() > self.restart_until
        self.restart_at = time.monotonic() + self._backoff.next()

    def _close_input(self) -> None:
        if self._input is not None:
            with suppress(OSError):
                os.close(self._input)
            self._input = None
