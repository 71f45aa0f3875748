"""The long tier is left out aloud, runs under its own name, and leaves a record whose age can be
told."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.long import age

ROOT = Path(__file__).parents[1]
TEXT = """
import os
import pytest
from tests.tiers import LONG, rest_is_long, tiered

@pytest.mark.parametrize("seed", rest_is_long([3, 4, 5], lambda seed: seed == 3))
def test_seeds(seed):
    assert seed in ((3, 4, 5) if LONG else (3,))

def test_budget():
    assert (tiered(50), tiered(1)) == ((50, 1) if LONG else (10, 1))

@pytest.mark.long
def test_what_fails():
    assert os.environ["FAULT_SEED"] == "8"
"""


def python(folder: Path, *arguments: str) -> str:
    """What it prints when run in a folder with a test module and our hooks."""
    (folder / "test_it.py").write_text(TEXT)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "FAULT_SEED": "7"}
    environment.pop("TEST_TIER", None)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


HOOKS = (
    "-q",
    "-p",
    "tests.conftest",
    "--rootdir=.",
    "-W",
    "ignore::pytest.PytestUnknownMarkWarning",
)


def test_the_fast_tier_says_how_many_tests_it_leaves_out(tmp_path: Path) -> None:
    said = python(tmp_path, "-m", "pytest", *HOOKS)
    assert "3 tests were left out: they belong to the long tier, which is: make test-long" in said
    assert "2 passed, 3 skipped" in said


def test_the_long_tier_leaves_a_record(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    assert "never recorded" in python(tmp_path, "-m", "tests.long", "--age")
    assert "1 failed, 4 passed" in python(tmp_path, "-m", "tests.long", *HOOKS)
    record = json.loads((tmp_path / "tests" / "long.json").read_text())
    failed = ["test_it.py::test_what_fails"]
    assert (record["passed"], record["failed"], record["skipped"]) == (4, failed, {})
    assert record["seeds"].keys() == {"FAULT_SEED", "HYPOTHESIS_SEED"}
    assert record["seeds"]["FAULT_SEED"] == 7
    said = python(tmp_path, "-m", "tests.long", "--age")
    assert "0 days" in said
    assert "FAILED in the long tier: test_it.py::test_what_fails" in said


def test_the_age_of_a_record_is_told() -> None:
    record = {
        "revision": "0123456789abcdef", "date": "2026-01-01T12:00+00:00", "seconds": 900,
        "passed": 9, "failed": ["x"],
        "skipped": {"they need the moon": 2}, "seeds": {"FAULT_SEED": 7},
    }  # fmt: skip
    assert age(record, datetime(2026, 1, 4, 13, tzinfo=UTC), "12") == (
        "The long tier, 3 days and 12 commits ago, at 0123456789ab: 9 passed, 1 failed, 2 skipped "
        "in 900 s "
        "(FAULT_SEED=7)"
    )
