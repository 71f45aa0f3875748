"""Run all tests, the long tier included, and record what came of it in tests/long.json, which is
committed.

    python -m tests.long [arguments of pytest]
    python -m tests.long --age

The seeds are new each time, unless the environment sets them: with those of a record, a run repeats
it.
"""

import json
import os
import random
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from platform import python_version
from tempfile import TemporaryDirectory
from typing import Any

from events.clock import now
from tests.runs import run_tests

RECORD = Path("tests/long.json")
SEEDS = ("FAULT_SEED", "HYPOTHESIS_SEED")


def run_long(*arguments: str) -> int:
    """Run all tests and write the record; the exit status of pytest."""
    seeds = {
        name: int(os.environ.get(name) or random.SystemRandom().randrange(10**6)) for name in SEEDS
    }
    begun, revision, started = (
        now(),
        git("describe", "--always", "--dirty", "--abbrev=40"),
        time.monotonic(),
    )
    environment = (
        os.environ | {"TEST_TIER": "long"} | {name: str(seed) for name, seed in seeds.items()}
    )
    with TemporaryDirectory() as folder:
        seed = f"--hypothesis-seed={seeds['HYPOTHESIS_SEED']}"
        run = run_tests(Path(folder), seed, *arguments, environment=environment)
    record = {
        "revision": revision,
        "date": begun.isoformat(timespec="minutes"),
        "python": python_version(),
        "arguments": arguments,
        "seeds": seeds,
        "seconds": round(time.monotonic() - started),
        "passed": run.passed,
        "failed": sorted(run.failed),
        "skipped": run.skipped,
    }
    RECORD.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    return run.code


def age(record: dict[str, Any], today: datetime, commits: str) -> str:
    """One line on a record; `commits` is how many there were since then, or nothing where git does
    not know."""
    days = (today - datetime.fromisoformat(record["date"])).days
    counts = (
        f"{record['passed']} passed, {len(record['failed'])} failed, "
        f"{sum(record['skipped'].values())} skipped"
    )
    seeds = ", ".join(f"{name}={seed}" for name, seed in record["seeds"].items())
    since = f"{days} days and {commits or 'an unknown number of'} commits ago"
    return (
        f"The long tier, {since}, at {record['revision'][:12]}: {counts} in {record['seconds']} s "
        f"({seeds})"
    )


def tell_age() -> str:
    """The last record with its age, and by name what failed in it."""
    if not RECORD.exists():
        return "The long tier was never recorded: make test-long"
    record = json.loads(RECORD.read_text())
    commits = git("rev-list", "--count", f"{record['revision'].removesuffix('-dirty')}..HEAD")
    failed = [f"FAILED in the long tier: {name}" for name in record["failed"]]
    return "\n".join([age(record, now(), commits), *failed])


def git(*arguments: str) -> str:
    """What git says, or nothing."""
    return subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=False
    ).stdout.strip()


if __name__ == "__main__":
    if sys.argv[1:] == ["--age"]:
        print(tell_age())
    else:
        sys.exit(run_long(*sys.argv[1:]))
