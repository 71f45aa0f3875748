"""Opens files that others may have replaced: never waits for a pipe, never reads a device."""

import errno
import os
import stat
from typing import BinaryIO

NOTHING_THERE = (
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENXIO,
    errno.ENODEV, errno.EINVAL, errno.EXDEV,
)  # fmt: skip
"""Errors that are the file's own, and stay; others are the system's, and pass."""


def open_regular(
    path: str | os.PathLike[str], *, within: int | None = None, links: bool = True
) -> BinaryIO:
    """Open a file for reading; OSError with EINVAL if it is a pipe, a device or a folder, or
    without `links` a link. `within`: the descriptor of the folder at which the path begins.

    A link is followed, and what it leads to is examined. Opening a device may already do something,
    so it is looked at before and, as another may take its name meanwhile, afterwards.
    """
    _require_regular(os.stat(path, dir_fd=within, follow_symlinks=links), path)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags if links else flags | os.O_NOFOLLOW, dir_fd=within)
    try:
        _require_regular(os.fstat(descriptor), path)
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def open_log(path: str) -> int:
    """Open a file for appending, made if need be; its descriptor. OSError if it is a link or no
    file."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY, 0o644)
    try:
        _require_regular(os.fstat(descriptor), path)
        os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _require_regular(facts: os.stat_result, path: str | os.PathLike[str]) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path))
