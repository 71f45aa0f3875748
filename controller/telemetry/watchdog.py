"""A thread that notices when the event loop is blocked: it says where, and in the end it ends the process."""

import asyncio
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread, main_thread

from controller.telemetry.catalogue import BLOCKED, LOOP_LAG

BEAT_SECONDS = 0.25
LOOK_SECONDS = 0.5
ALARM_SECONDS, ALIVE_SECONDS, END_SECONDS = 5.0, 10.0, 60.0
"""Blocked for so long: the stack is written; /healthz fails; the process ends."""
EXIT_CODE = 70
WRITE_SECONDS = 1.0
"""What the loop is blocked on may be the log itself (a full pipe), so nothing waits longer for it."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Watchdog:
    """`beat` runs in the loop, the thread looks whether it does."""

    beats: int = 0
    silent: float = 0.0
    """Seconds without a beat, counted by the thread's own looks: a frozen process is not a blocked loop."""
    closing: Event = field(default_factory=Event)

    def problems(self) -> list[str]:
        """Why the process is not alive; nothing while it is."""
        return [f"the event loop is blocked for {self.silent:.0f} s"] if self.silent >= ALIVE_SECONDS else []

    async def beat(self) -> None:
        """For ever; also measures how late the loop is."""
        while True:
            due = time.monotonic() + BEAT_SECONDS
            await asyncio.sleep(BEAT_SECONDS)
            self.beats += 1
            LOOP_LAG.observe(max(0.0, time.monotonic() - due))

    def look(self) -> None:
        """The thread: until `closing`."""
        seen, told = self.beats, False
        while not self.closing.wait(LOOK_SECONDS):
            if self.beats != seen:
                seen, told, self.silent = self.beats, False, 0.0
                continue
            self.silent += LOOK_SECONDS
            if self.silent >= ALARM_SECONDS and not told:
                told = True
                BLOCKED.inc()
                _aside(_log.error, "the event loop is blocked for %.0f s:\n%s", self.silent, _stack())
            if self.silent >= END_SECONDS:
                _aside(os.write, 2, f"the event loop is blocked for {self.silent:.0f} s: ending\n".encode())
                os._exit(EXIT_CODE)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the loop of the main thread, which has to run `beat`."""
        thread = Thread(target=self.look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.closing.set()


def _aside(write: Callable[..., object], *words: object) -> None:
    """Write from a thread of its own, and go on even if that cannot."""
    writing = Thread(target=write, args=words, daemon=True)
    writing.start()
    writing.join(WRITE_SECONDS)


def _stack() -> str:
    frame = sys._current_frames().get(main_thread().ident or 0)
    return "".join(traceback.format_stack(frame)) if frame else "(no stack)"
