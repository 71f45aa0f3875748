"""The accounts under which root runs Postgres, which refuses to run as root: they own the cluster
and nothing else."""

import os
import pwd
from pathlib import Path

from controller.store import StoreRefusedError

OWN_UIDS = range(60_578, 61_184)
"""Numbers that no distribution and no systemd gives to anybody."""
EARLIER = "nobody"
"""The account of earlier versions, which many other programs share."""
_PEOPLE = 1_000
"""Accounts of people have numbers from here on."""


def own_uid(cluster: Path) -> int | None:
    """Who owns `cluster` and runs its server; None if that is us. Root's cluster of an earlier
    version belongs to `nobody`, until `is_earlier` is mended."""
    if os.geteuid() != 0:
        return None
    try:
        return cluster.lstat().st_uid
    except FileNotFoundError:
        return None


def is_earlier(uid: int | None) -> bool:
    """Does the cluster belong to the account that earlier versions used?"""
    return uid is not None and uid not in OWN_UIDS


def free_uid() -> int:
    """A number that no account has and under which no process runs."""
    taken = {account.pw_uid for account in pwd.getpwall()} | _running_uids()
    return next(uid for uid in OWN_UIDS if uid not in taken)


def idle_uid() -> int:
    """An account of the system under which no process runs. initdb needs one for a second, because
    it asks for its own account's name.

    Raises StoreRefusedError if there is none.
    """
    running = _running_uids()
    idle = [
        account.pw_uid
        for account in pwd.getpwall()
        if (0 < account.pw_uid < _PEOPLE or account.pw_name == EARLIER)
        and account.pw_uid not in running
    ]
    if not idle:
        raise StoreRefusedError(
            "as root, the embedded database needs an account of the system under which nothing "
            "runs, such as nobody; run as another user, or give --database URL"
        )
    return min(idle)


def give(tree: Path, uid: int, *, of: int) -> None:
    """Give `tree` and all in it that belongs to `of` to `uid`; the top comes last, so that a crash
    is seen."""
    for folder, folders, names in os.walk(tree, topdown=False):
        for name in [*folders, *names]:
            _give_one(Path(folder, name), uid, of)
    _give_one(tree, uid, of)


def _give_one(path: Path, uid: int, of: int) -> None:
    if path.lstat().st_uid == of:
        os.chown(path, uid, uid, follow_symlinks=False)


def _running_uids() -> set[int]:
    """The users of all processes that we see."""
    found: set[int] = set()
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = status.read_text(errors="replace").splitlines()
        except OSError:  # it has ended meanwhile
            continue
        found.update(
            int(uid) for line in lines if line.startswith("Uid:") for uid in line.split()[1:]
        )
    return found
