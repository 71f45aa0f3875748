"""The command line answers at once, and says plainly what is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.cli import COMMANDS, app, load
from controller.cli.exits import ExitCode
from controller.cli.options import full_name
from tests.controller.histories import text

HEAVY = (
    "nevergrad",
    "optuna",
    "cmaes",
    "hyperopt",
    "skopt",
    "plotly",
    "pandas",
    "scipy",
    "sklearn",
    "numpy",
    "asyncpg",
    "pydantic",
)


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (["--help"], {}),
        (["--version"], {}),
        (
            [],
            {
                "_TRIALSTREAM_COMPLETE": "complete_bash",
                "COMP_WORDS": "trialstream sh",
                "COMP_CWORD": "1",
            },
        ),
    ],
)
def test_help_and_completion_import_nothing_heavy(
    words: list[str], environment: dict[str, str]
) -> None:
    code = f"""
import sys
from controller.cli import app
try: app({words!r}, prog_name="trialstream")
except SystemExit: pass
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"""
    environment = {**os.environ, **environment}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stderr.splitlines()[-1] == "[]"
    assert "show" in done.stdout or "--version" in words


def test_a_run_on_this_machine_loads_nothing_of_kubernetes() -> None:
    code = """
import sys
import controller.cli.commands.run
print("kubernetes_asyncio" in sys.modules)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name: str) -> None:
    assert load(name).help
    assert CliRunner().invoke(app, [name, "--help"]).exit_code == ExitCode.OK


def test_unknown_command_suggests_one() -> None:
    result = CliRunner().invoke(app, ["lst"])
    assert result.exit_code == ExitCode.INVALID
    assert "list" in result.output


def test_list_without_any_store_makes_none(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["list", "--data", str(tmp_path / "none")])
    assert result.exit_code == ExitCode.OK
    assert "trialstream run FILE" in result.output
    assert not (tmp_path / "none").exists()


def test_show_without_any_store(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["show", "x", "--data", str(tmp_path)])
    assert result.exit_code == ExitCode.NOT_FOUND


@pytest.mark.parametrize("url", ["nonsense", "postgresql://nobody@127.0.0.1:1/none"])
def test_a_database_that_cannot_be_used(url: str) -> None:
    result = CliRunner().invoke(app, ["list", "--database", url])
    assert result.exit_code == ExitCode.DATABASE
    assert result.output.startswith("Error: ")


def test_names_with_a_namespace() -> None:
    assert full_name("team/x", "default") == ("team", "x")
    assert full_name("x", "other") == ("other", "x")


def test_check_shows_what_would_happen(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text("x").replace("train.py]", '"--lr=${trialParameters.lr}"]'))
    output = CliRunner().invoke(app, ["check", str(file)], catch_exceptions=False).output
    assert "minimize loss" in output
    assert "logUniform" in output
    assert "python --lr=0.00316" in output
    assert "is valid" in output


def test_check_shows_every_problem_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text("x").replace("random", "rendom"))
    result = CliRunner().invoke(app, ["check", str(file)])
    assert result.exit_code == ExitCode.INVALID
    assert (
        "line 6, spec.algorithm.algorithmName: 'rendom' is not a known algorithm" in result.output
    )


def test_check_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check", str(tmp_path / "no.yaml")])
    assert result.exit_code == ExitCode.INVALID
    assert "cannot be read" in result.output


def test_check_as_json(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text("x"))
    assert '"valid": true' in CliRunner().invoke(app, ["check", str(file), "-o", "json"]).output


def test_algorithms_are_listed_with_their_settings() -> None:
    output = CliRunner().invoke(app, ["algorithms"]).output
    assert "nevergrad" in output
    assert "medianstop" in output
