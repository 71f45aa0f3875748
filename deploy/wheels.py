"""`python -m deploy.wheels [FOLDER]` builds both distributions from this tree: the light
`trialstream`, and `trialstream-engine`, whose packages lie within `trialstream_engine`, where only
its own processes look for them.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SETUPTOOLS = 77
"""The oldest that builds; as in pyproject.toml."""
LIGHT = "trialstream"
ENGINE = ("algorithms", "collectors", "controller", "events")
TEXTS = ("LICENSE", "README.md")
DOOR = (
    '"""The packages of the engine, for the processes that the command `trialstream` starts."""\n'
)
ENGINE_PROJECT = """\
[project]
name = "trialstream-engine"
version = {version}
description = {description}
readme = "README.md"
requires-python = ">=3.11"
license = "Apache-2.0"
license-files = ["LICENSE"]
dependencies = {dependencies}

[build-system]
requires = {requires}
build-backend = {backend}

[tool.setuptools.packages.find]
include = ["trialstream_engine*"]

[tool.setuptools.package-data]
"*" = {data}
"""


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m deploy.wheels", description=__doc__)
    options.add_argument(
        "folder", nargs="?", type=Path, default=ROOT / "dist", help="(default: %(default)s)"
    )
    build(options.parse_args().folder)


def build(folder: Path) -> None:
    """Leave both wheels in `folder`; the tree stays as it is."""
    with tempfile.TemporaryDirectory() as work:
        staged = [stage_light(Path(work, "light")), stage_engine(Path(work, "engine"))]
        command = [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        if int(version("setuptools").partition(".")[0]) >= SETUPTOOLS:
            command.append(
                "--no-build-isolation"
            )  # what builds is here: nothing has to be downloaded
        subprocess.run([*command, "--wheel-dir", str(folder), *map(str, staged)], check=True)


def stage_light(folder: Path) -> Path:
    """The project `trialstream`, as a folder that a wheel or an sdist can be built of."""
    _copy(LIGHT, folder / LIGHT)
    for name in (*TEXTS, "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return folder


def stage_engine(folder: Path) -> Path:
    """The project `trialstream-engine`; its settings follow from those of this tree."""
    home = folder / "trialstream_engine"
    for package in ENGINE:
        _copy(package, home / package)
    (home / "__init__.py").write_text(DOOR)
    for name in TEXTS:
        shutil.copy(ROOT / name, folder)
    (folder / "pyproject.toml").write_text(
        engine_project(tomllib.loads((ROOT / "pyproject.toml").read_text()))
    )
    return folder


def engine_project(tree: dict[str, Any]) -> str:
    """The engine's pyproject.toml, from this tree's."""
    project = tree["project"]
    values = {
        "version": project["version"],
        "description": f"The engine of {LIGHT}: {project['description']}",
        "dependencies": [
            f"{LIGHT}[kafka]=={project['version']}",
            *tree["dependency-groups"]["engine"],
        ],
        "requires": tree["build-system"]["requires"],
        "backend": tree["build-system"]["build-backend"],
        "data": tree["tool"]["setuptools"]["package-data"]["*"],
    }
    return ENGINE_PROJECT.format(**{name: json.dumps(value) for name, value in values.items()})


def _copy(package: str, folder: Path) -> None:
    shutil.copytree(ROOT / package, folder, ignore=shutil.ignore_patterns("__pycache__"))


if __name__ == "__main__":
    main()
