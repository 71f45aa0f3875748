"""`python -m deploy.wheels [FOLDER]` builds all distributions from this tree: the light
`trialstream`, `trialstream-report` for programs that are trials, and `trialstream-engine`, whose
packages lie within `trialstream_engine`, where only its own processes look for them.
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
REPORT = "trialstream_report"
ENGINE = ("algorithms", "collectors", "controller", "events")
TEXTS = ("LICENSE", "README.md")
DOOR = (
    '"""The packages of the engine, for the processes that the command `trialstream` starts."""\n'
)
REPORT_PROJECT = """\
[project]
name = "trialstream-report"
version = {version}
description = "Reports how the trial of a hyperparameter search does, from within its program"
requires-python = ">=3.8"
license = "Apache-2.0"
license-files = ["LICENSE"]

[build-system]
requires = {requires}
build-backend = {backend}

[tool.setuptools]
packages = ["trialstream_report"]

[tool.setuptools.package-data]
"*" = ["py.typed"]
"""
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
    """Leave all wheels in `folder`; the tree stays as it is."""
    with tempfile.TemporaryDirectory() as work:
        staged = [
            stage_report(Path(work, "report")),
            stage_light(Path(work, "light")),
            stage_engine(Path(work, "engine")),
        ]
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


def stage_report(folder: Path) -> Path:
    """The project `trialstream-report`, as a folder that a wheel or an sdist can be built of."""
    _copy(REPORT, folder / REPORT)
    shutil.copy(ROOT / "LICENSE", folder)
    tree = _settings()
    values = {
        "version": tree["project"]["version"],
        "requires": tree["build-system"]["requires"],
        "backend": tree["build-system"]["build-backend"],
    }
    _write_project(folder, _filled(REPORT_PROJECT, values))
    return folder


def stage_light(folder: Path) -> Path:
    """The project `trialstream`. In this tree what it depends on lies beside it."""
    _copy(LIGHT, folder / LIGHT)
    for name in TEXTS:
        shutil.copy(ROOT / name, folder)
    text = (ROOT / "pyproject.toml").read_text()
    needed = f'dependencies = ["trialstream-report=={_settings()["project"]["version"]}"]'
    _write_project(folder, text.replace("[project]\n", f"[project]\n{needed}\n", 1))
    return folder


def stage_engine(folder: Path) -> Path:
    """The project `trialstream-engine`; its settings follow from those of this tree."""
    home = folder / "trialstream_engine"
    for package in ENGINE:
        _copy(package, home / package)
    (home / "__init__.py").write_text(DOOR)
    for name in TEXTS:
        shutil.copy(ROOT / name, folder)
    _write_project(folder, engine_project(_settings()))
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
    return _filled(ENGINE_PROJECT, values)


def _settings() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def _filled(project: str, values: dict[str, Any]) -> str:
    return project.format(**{name: json.dumps(value) for name, value in values.items()})


def _write_project(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(text)


def _copy(package: str, folder: Path) -> None:
    shutil.copytree(ROOT / package, folder, ignore=shutil.ignore_patterns("__pycache__"))


if __name__ == "__main__":
    main()
