"""A thread that notices when the event loop is blocked: it logs the stack, and after a minute ends
the process."""

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
"""How long the loop is blocked before the stack is logged, /healthz fails, and the process ends."""
EXIT_CODE = 70
WRITE_SECONDS = 1.0
"""How long the watchdog waits for its own output: the loop may be blocked by the log itself, such
as a full pipe."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Watchdog:
    """`beat` counts in the event loop; `watch`, in a thread, notices when the count stands
    still."""

    beats: int = 0
    silent: float = 0.0
    """Seconds without a beat, summed over the thread's own looks, so that a frozen process does not
    count."""
    closing: Event = field(default_factory=Event)

    def problems(self) -> list[str]:
        """Why the process is not alive; nothing while it is."""
        return (
            [f"the event loop has been blocked for {self.silent:.0f} s"]
            if self.silent >= ALIVE_SECONDS
            else []
        )

    async def beat(self) -> None:
        """Run until cancelled; also measures how late the loop is."""
        while True:
            due = time.monotonic() + BEAT_SECONDS
            await asyncio.sleep(BEAT_SECONDS)
            self.beats += 1
            LOOP_LAG.observe(max(0.0, time.monotonic() - due))

    def watch(self) -> None:
        """The thread: runs until `closing` is set."""
        seen, logged = self.beats, False
        while not self.closing.wait(LOOK_SECONDS):
            if self.beats != seen:
                seen, logged, self.silent = self.beats, False, 0.0
                continue
            self.silent += LOOK_SECONDS
            if self.silent >= ALARM_SECONDS and not logged:
                logged = True
                BLOCKED.inc()
                _in_thread(
                    _log.error,
                    "the event loop has been blocked for %.0f s:\n%s",
                    self.silent,
                    _stack(),
                )
            if self.silent >= END_SECONDS:
                _in_thread(
                    os.write,
                    2,
                    f"the event loop has been blocked for {self.silent:.0f} s: ending\n".encode(),
                )
                os._exit(EXIT_CODE)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch the event loop of the main thread, which has to run `beat`, while the context is
        open."""
        thread = Thread(target=self.watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.closing.set()


def _in_thread(write: Callable[..., object], *words: object) -> None:
    """Write from a thread of its own, and return after WRITE_SECONDS even if that is blocked."""
    writing = Thread(target=write, args=words, daemon=True)
    writing.start()
    writing.join(WRITE_SECONDS)


def _stack() -> str:
    frame = sys._current_frames().get(main_thread().ident or 0)
    return "".join(traceback.format_stack(frame)) if frame else "(no stack)"
