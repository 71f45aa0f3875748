"""What passes only when it is run again is named; what fails again is a failure."""

import os
import subprocess
import sys
from pathlib import Path
from platform import python_version

import pytest

ROOT = Path(__file__).parents[1]
GOOD = """
import pytest
from pathlib import Path

@pytest.mark.parametrize("letter", "ab")
def test_good(letter):
    pass

def test_left_out():
    pytest.skip("there is no moon")
"""
WILD = """
@pytest.mark.parametrize("sort", ["wild one"])
def test_wild(sort):
    if not Path("seen").exists():
        Path("seen").touch()
        raise AssertionError("the first time")
"""
BROKEN = """
def test_broken():
    raise AssertionError("each time")
"""
FLAKY = f"FLAKY test_it.py::test_wild[wild one] (Python {python_version()})"


@pytest.mark.parametrize(
    ("text", "processes", "code", "lines"),
    [
        (GOOD + WILD, 0, 0, [FLAKY, "3 passed, 0 failed, 1 skipped"]),
        (GOOD + WILD + BROKEN, 2, 1, [FLAKY, "3 passed, 1 failed, 1 skipped"]),
        ("import nowhere", 0, 2, ["0 passed, 0 failed, 0 skipped"]),
    ],
)
def test_what_passes_only_again_is_named(
    tmp_path: Path, text: str, processes: int, code: int, lines: list[str]
) -> None:
    (tmp_path / "test_it.py").write_text(text)
    command = [
        sys.executable,
        "-m",
        "tests.flaky",
        "-q",
        "-n",
        str(processes),
        f"--rootdir={tmp_path}",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )
    assert (done.returncode, done.stdout.rstrip().split("\n\n")[-1].splitlines()) == (
        code,
        lines,
    ), done.stdout
