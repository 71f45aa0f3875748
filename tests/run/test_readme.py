"""The README's two commands on a fresh machine: nothing is installed or cached, and the folder is
closed to all others."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.empty import python

ROOT = Path(__file__).parents[2]
SOME_TESTS = "tests/controller/store/test_embedded.py tests/test_names.py"
"""All take minutes; these need a Postgres of their own, and look through the tree."""


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder of mode 0700 in one that everybody may enter."""
    folder = Path(tempfile.mkdtemp(prefix="trialstream-readme-"))
    yield folder
    shutil.rmtree(folder)


def copy_tree(folder: Path) -> Path:
    """What a clone would have, with changes that are not committed."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).exists():
            (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "tree" / name)
    return folder / "tree"


def usable_python(version: str, folder: Path, user: str) -> str:
    """A Python that the user may run: one of all users, or a copy of ours."""
    system, ours = shutil.which(f"python{version}", path="/usr/bin"), python(version)
    if system or user == "root":
        found = ours if user == "root" else system
    elif ours:
        kept = Path(ours).resolve().parents[1]
        shutil.copytree(kept, folder / "python", symlinks=True)
        found = str(folder / "python" / "bin" / "python3")
    else:
        found = None
    return found or pytest.skip(f"it needs a Python {version}")


@pytest.mark.long  # it installs everything, twice
@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can become another user")
@pytest.mark.parametrize(("user", "version"), [("root", "3.13"), ("nobody", "3.11")])
def test_both_commands_work_where_nothing_was_before(closed: Path, user: str, version: str) -> None:
    tree, program = copy_tree(closed), usable_python(version, closed, user)
    owner = pwd.getpwnam(user)
    subprocess.run(
        ["chown", "--recursive", f"{owner.pw_uid}:{owner.pw_gid}", str(closed)], check=True
    )
    ours = ("PYTHON", "TRIALSTREAM", "XDG", "VIRTUAL_ENV", "PYENV", "TEST", "PIP_CACHE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    for words in (["demo"], ["test", f"ARGS={SOME_TESTS}"]):
        done = subprocess.run(
            ["make", *words, f"PYTHON={program}"],
            cwd=tree,
            env={**kept, "HOME": str(closed), "PATH": "/usr/local/bin:/usr/bin:/bin"},
            user=owner.pw_uid,
            group=owner.pw_gid,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tree / "digits.html").stat().st_uid == owner.pw_uid
