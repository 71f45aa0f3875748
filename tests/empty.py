"""Empty environments for what is built of this tree, of whatever Python is here."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from deploy.wheels import ENGINE

TRIES = f"""
from importlib.util import find_spec
found = [name for name in {ENGINE!r} if find_spec(name)]
assert not found, found
"""
"""A program that fails where one of the engine's names can be imported."""


def python(version: str) -> str | None:
    """The program of this version, such as 3.9, if there is one."""
    kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    return str(kept[-1]) if kept else shutil.which(f"python{version}")


@dataclass(frozen=True)
class Environment:
    """A virtual environment in `folder`."""

    folder: Path

    @classmethod
    def made(cls, folder: Path, program: str) -> "Environment":
        """It has no pip of its own where ours can do without, for that takes most of the time."""
        own = [] if program != sys.executable else ["--without-pip"]
        subprocess.run([program, "-m", "venv", *own, str(folder)], check=True)
        return cls(folder)

    @property
    def packages(self) -> Path:
        (found,) = self.folder.glob("lib/python3*/site-packages")
        return found

    def run(self, program: str, *arguments: str, status: int = 0) -> str:
        """What a program of the environment prints; it has to end with this status. Nothing leads
        it to this tree."""
        folder = self.folder / "bin"
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "TRIALSTREAM"))
        }
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [str(folder / program), *arguments],
            cwd=self.folder,
            env={**kept, "PATH": path, "VIRTUAL_ENV": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def install(self, *words: str) -> None:
        python = str(self.folder / "bin" / "python")
        own = (self.folder / "bin" / "pip").exists()
        pip = [python, "-m", "pip"] if own else [sys.executable, "-m", "pip", "--python", python]
        quiet = ["--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*pip, "install", *quiet, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def borrow(self) -> None:
        """Let it import what is installed here, but not this tree."""
        spec = find_spec("pydantic")
        assert spec is not None
        assert spec.origin is not None
        (self.packages / "borrowed.pth").write_text(str(Path(spec.origin).parents[1]))

    def size(self, distribution: str) -> int:
        """Bytes of all files that the distribution has installed, without what Python compiled."""
        (record,) = self.packages.glob(f"{distribution}-*.dist-info/RECORD")
        files = [self.packages / line.split(",")[0] for line in record.read_text().splitlines()]
        return sum(file.stat().st_size for file in files if file.suffix != ".pyc" and file.exists())
