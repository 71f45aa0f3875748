"""Opens files below a folder, and nothing else: a link that leads out of it is not followed.

Whoever writes there may put links in the place of files and of folders at any moment, and a
collector may read what its trial may not. So each part of a path is looked at by itself, beginning
at the folder, and opened only if it is no link; a link is resolved here, part by part, too.
"""

import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from events.regular_file import open_regular

LEADS_OUT = errno.EXDEV
"""The error of what leads out of its folder, as that of Linux's RESOLVE_BENEATH."""
MOST_LINKS = 40
_FOLDER = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
"""A folder that may be entered need not be one that may be listed."""


def open_below(folder: Path, path: Path) -> BinaryIO:
    """Open a regular file as `open_regular` does; OSError with LEADS_OUT if it is not below the
    folder, which itself may be reached by links."""
    if os.path.dirname(path) == os.fspath(folder):  # a log is: it is looked at all the time
        try:
            return open_regular(path, links=False)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ELOOP):  # else it may be a link
                raise
    with _found(folder, path) as (within, name):
        return open_regular(name, within=within, links=False)


@contextmanager
def entries_below(folder: Path, path: Path) -> Iterator[Iterator["os.DirEntry[str]"]]:
    """The entries of a folder that is that folder or below it; OSError as of `open_below`."""
    with _found(folder, path) as (within, name):
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=within)
    try:
        with os.scandir(descriptor) as entries:
            yield entries
    finally:
        os.close(descriptor)


@contextmanager
def _found(folder: Path, path: Path) -> Iterator[tuple[int, str]]:
    """The folder in which the path ends, as a descriptor, and the name in it, which is no link."""
    held = [os.open(folder, _FOLDER)]
    try:
        yield _follow(held, folder, path)
    finally:
        _leave(held, 0)


def _follow(held: list[int], folder: Path, path: Path) -> tuple[int, str]:
    """Enter one folder after the other; `held` has those that are entered, the outermost first."""
    parts, links = deque(_parts(folder, path)), 0
    while parts:
        part = parts.popleft()
        if part == "..":
            if len(held) == 1:
                raise _leading_out(path)
            _leave(held, len(held) - 1)
        elif (target := _target(part, held[-1])) is not None:
            links += 1
            if links > MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
            if target.is_absolute():
                _leave(held, 1)
                target = Path(*_parts(folder, target))
            parts.extendleft(reversed(target.parts))
        elif parts:
            held.append(os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=held[-1]))
        else:
            return held[-1], part
    return held[-1], "."


def _parts(folder: Path, path: Path) -> tuple[str, ...]:
    """The way from the folder to the path, also where the two are named by different links."""
    if not path.is_relative_to(folder):
        folder, path = Path(os.path.realpath(folder)), Path(os.path.realpath(path))
    if not path.is_relative_to(folder):
        raise _leading_out(path)
    return path.relative_to(folder).parts


def _target(name: str, within: int) -> Path | None:
    """Where a link leads; None if it is none."""
    status = os.stat(name, dir_fd=within, follow_symlinks=False)
    return Path(os.readlink(name, dir_fd=within)) if stat.S_ISLNK(status.st_mode) else None


def _leave(held: list[int], count: int) -> None:
    """Close all but the first `count`."""
    while len(held) > count:
        os.close(held.pop())


def _leading_out(path: Path) -> OSError:
    return OSError(LEADS_OUT, "it leads out of its folder", str(path))
