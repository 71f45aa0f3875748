"""Trees of two revisions, each with an environment of its own in which no program imports the
other's code."""

import io
import json
import os
import subprocess
import sysconfig
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from site import getsitepackages
from venv import EnvBuilder

from benchmarks.outcome import CannotMeasureError

_EXAMINE = """\
import json, sys
from importlib import import_module
from importlib.util import find_spec
packages, names = sys.argv[1].split(","), sys.argv[2].split(",")
places = {name: list(find_spec(name).submodule_search_locations) for name in packages}
known = [name for name in names if find_spec("benchmarks." + name)]
modules = {name: import_module("benchmarks." + name) for name in known}
measures = {name: getattr(one, "MEASURES", (1, 1)) for name, one in modules.items()}
print(json.dumps([places, measures]))
"""
TAIL = 3000
"""Characters of what a failed program said."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A tree, what it is called, and the Python that imports our packages from it alone."""

    label: str
    root: Path
    python: Path

    def measures(self, names: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        """The benchmarks of these names that the tree has, and numbers of what each measures, whole
        and quick.

        CannotMeasureError if a package of the tree would be imported from elsewhere.
        """
        packages = sorted(file.parent.name for file in self.root.glob("*/__init__.py"))
        # With -P, as processes of ours are started: the current folder does not hide a wrong path
        # from them.
        places, measures = json.loads(
            self._run("-P", "-c", _EXAMINE, ",".join(packages), ",".join(names))
        )
        wrong = [
            f"{name} from {where}"
            for name, where in places.items()
            if where != [str(self.root / name)]
        ]
        if wrong:
            raise CannotMeasureError(
                f"{self.label} would not run its own code: {self.root} gets {', '.join(wrong)}"
            )
        return {name: (whole, quick) for name, (whole, quick) in measures.items()}

    def figures(self, name: str, file: Path, *, quick: bool) -> Mapping[str, float]:
        """Run the tree's own benchmark, which writes its figures to the file."""
        self._run("-m", "benchmarks", name, *(["--quick"] if quick else []), "--json", str(file))
        return dict(json.loads(file.read_text())["figures"])

    def source(self, name: str) -> Mapping[str, bytes]:
        """The text of a benchmark's own modules."""
        folder = self.root / "benchmarks"
        files = [*folder.glob(f"{name}.py"), *folder.glob(f"{name}/**/*.py")]
        return {str(file.relative_to(folder)): file.read_bytes() for file in files}

    def _run(self, *arguments: str) -> str:
        """The standard output of Python in this tree; CannotMeasureError if it fails."""
        environment = {
            name: text
            for name, text in os.environ.items()
            if name not in ("PYTHONPATH", "PYTHONHOME")
        }
        done = subprocess.run(
            [self.python, *arguments],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stderr or done.stdout)[-TAIL:]
            raise CannotMeasureError(
                f"{self.label}: `python {arguments[0]} …` ended with {done.returncode}:\n{said}"
            )
        return done.stdout


def present(root: Path, home: Path) -> Checkout:
    """The tree as it lies there, changes included."""
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    short = _git(root, "rev-parse", "--short=12", "HEAD").strip()
    label = f"{short} with changes" if changed else short
    return Checkout(label, root, environment(home / "new-environment", root))


def past(root: Path, revision: str, home: Path) -> Checkout:
    """A revision's tree in a folder below `home`, and in it what benchmarks/carried/ has for its
    benchmarks."""
    whole = resolved(root, revision)
    tree = home / "old"
    archive = subprocess.run(
        ["git", "archive", whole], cwd=root, capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        opened.extractall(tree, filter="data")
    label = whole[:12]
    for patch in root.glob("benchmarks/carried/*.patch"):
        if whole.startswith(patch.stem):
            _git(tree, "apply", "--include=benchmarks/*", str(patch))
            label += f" with {patch.relative_to(root)}"
    return Checkout(label, tree, environment(home / "old-environment", tree))


def resolved(root: Path, revision: str) -> str:
    """The whole name of a commit; CannotMeasureError if this clone does not have it."""
    try:
        return _git(
            root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
        ).strip()
    except CannotMeasureError:
        raise CannotMeasureError(
            f"this clone has no revision {revision}; if it is a shallow one: git fetch --unshallow"
        ) from None


def environment(folder: Path, root: Path) -> Path:
    """The Python of a new environment: the packages that are installed here, and of ours those of
    `root`.

    The folders of installed packages join the path as lines of a .pth file. Their own .pth files
    are not read then, so an editable installation of another tree stays out of sight, also of
    processes that ignore PYTHONPATH.
    """
    EnvBuilder(symlinks=True).create(folder)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    (packages / "checkout.pth").write_text(
        "".join(f"{line}\n" for line in (root, *getsitepackages()))
    )
    return Path(sysconfig.get_path("scripts", "venv", {"base": str(folder)})) / "python"


def _git(folder: Path, *arguments: str) -> str:
    alone = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=alone, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CannotMeasureError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout
