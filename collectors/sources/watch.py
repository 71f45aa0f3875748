"""Notices at once that a file has grown, where the system can tell; elsewhere says when to look
again."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

if sys.platform == "linux":
    from asyncinotify import Inotify, Mask

LOOK_SECONDS = 0.02
"""Between two readings of a file about which the system tells nothing."""
QUIET_SECONDS = 0.5
"""Between two readings of a file that is watched: in the meantime another file may have taken its
name."""


class FileWatch:
    """When to look at a file again; made by `watching`."""

    def __init__(self, path: Path, inotify: "Inotify | None") -> None:
        self._path = path
        self._inotify = inotify
        self._known: object = None

    def patience(self) -> float:
        """Seconds until the file has to be looked at, changed or not; 0 if it is watched only from
        now on."""
        if self._inotify is None:
            return LOOK_SECONDS
        try:
            # asking for the same file again gives the same watch
            watch = self._inotify.add_watch(self._path, Mask.MODIFY | Mask.CLOSE_WRITE)
        except OSError:  # there is no such file yet, or the system watches too many
            return LOOK_SECONDS
        is_new, self._known = watch.wd != self._known, watch.wd
        return 0.0 if is_new else QUIET_SECONDS


@dataclass(frozen=True, slots=True)
class Unwatched:
    """When to look again at what nothing tells of: after so many seconds."""

    seconds: float

    def patience(self) -> float:
        return self.seconds


@contextmanager
def watching(path: Path, changed: Callable[[], None]) -> Iterator[FileWatch]:
    """Call `changed` whenever the file, which may not exist yet, has been written to."""
    inotify = _inotify()
    if inotify is None:
        yield FileWatch(path, None)
        return
    loop, fd = asyncio.get_running_loop(), inotify.fd

    def on_event() -> None:
        with suppress(BlockingIOError):
            os.read(fd, 64 * 1024)
        changed()

    loop.add_reader(fd, on_event)
    try:
        yield FileWatch(path, inotify)
    finally:
        loop.remove_reader(fd)
        inotify.close()


def _inotify() -> "Inotify | None":
    """None on other systems, and where all that a user may have (fs.inotify.max_user_instances) are
    taken."""
    if sys.platform != "linux":
        return None
    try:
        return Inotify()
    except OSError:
        return None
