"""Folders that nobody else can write to, and short names for them, as addresses of sockets are
bounded."""

import fcntl
import os
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

MAX_SOCKET_PATH = 100
"""Bytes that every system allows in the address of a unix socket, the terminating zero included."""


def make_private(folder: Path) -> Path:
    """Let nobody else into `folder`: whoever could write there could give us programs to run.

    Raises PermissionError if it is a symlink or belongs to another user.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
        raise PermissionError(
            f"{folder} belongs to someone else; remove it, or choose another data folder"
        )
    if facts.st_mode & 0o077:
        folder.chmod(0o700)
    return folder


def short_name(folder: Path, longest: str) -> Path:
    """`folder` itself if the address of the socket `longest` in it is short enough, else a symlink
    to it in a private temporary folder.

    The symlink `alias` in `folder` keeps the choice. It is made anew when it has gone, or when the
    folder was moved or copied.
    """
    if len(os.fsencode(folder / longest)) < MAX_SOCKET_PATH:
        return folder
    choice = folder / "alias"
    with _locked(folder):
        with suppress(OSError):
            name = Path(os.readlink(choice))
            facts = name.parent.lstat()
            is_ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid()
            if is_ours and not facts.st_mode & 0o077 and os.readlink(name) == str(folder):
                return name
        choice.unlink(missing_ok=True)
        place = "/tmp" if os.access("/tmp", os.W_OK) else None  # TMPDIR may be a long path, too
        name = Path(tempfile.mkdtemp(prefix="trialstream-", dir=place), "to")
        name.symlink_to(folder)
        choice.symlink_to(name)
        return name


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    opened = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)
