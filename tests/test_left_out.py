"""A run with services runs just the tests that one without them has left out."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import SERVICES

FILE = "tests/contracts/test_bus.py"


def pytest_lines(left_out: Path, *arguments: str, **services: str) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if name not in SERVICES}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, FILE]
    done = subprocess.run(
        command,
        env=environment | {"TEST_LEFT_OUT": str(left_out)} | services,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_what_one_run_leaves_out_is_all_that_the_other_runs(tmp_path: Path) -> None:
    left_out = tmp_path / "left-out"
    pytest_lines(left_out, "-k", "arrives or order or drops")
    collected = pytest_lines(left_out, "--collect-only", TRIALSTREAM_KAFKA="127.0.0.1:1")
    assert [line for line in collected if line.startswith(FILE)] == [
        f"{FILE}::test_a_record_arrives_whole[kafka]",
        f"{FILE}::test_a_partition_keeps_the_order_of_publication[kafka]",
    ]
