"""A new version takes the place of the last one, controller by controller, while experiments
run."""

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.checkout import past
from tests.brokers import ROOT, Brokers
from tests.faults.installation import THIS_VERSION, Installation, installation
from tests.faults.storm import CONTROLLERS, Storm, seed

NAMES = ("random", "sobol", "nevergrad")
TRIALS = 16


def before_the_newest_migration() -> str:
    """The revision that an upgrade changes the schema of Postgres from."""
    newest = max(ROOT.glob("controller/store/migrations/*.sql"))
    added = subprocess.run(
        ["git", "log", "--format=%H", "--diff-filter=A", "--", newest],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    if not added:
        pytest.skip(f"this clone does not have the commit that added {newest.name}")
    return f"{added[-1]}^"


@pytest.fixture
def last_version(tmp_path: Path, one_broker: Brokers) -> Iterator[Installation]:
    checkout = past(ROOT, before_the_newest_migration(), tmp_path / "last")
    with installation(tmp_path, one_broker, checkout=checkout) as opened:
        yield opened


@pytest.mark.long  # it is a storm of its own
def test_nothing_is_lost_while_a_new_version_takes_the_place_of_the_last(
    last_version: Installation, one_broker: Brokers
) -> None:
    place = last_version
    for _ in range(CONTROLLERS):
        place.open_controller()
    for name in NAMES:
        place.submit(name, name, trials=TRIALS)
    place.holds("count(*) > 3 FROM trial WHERE ordinal IS NOT NULL")
    storm = Storm(place, one_broker, random.Random(seed()))
    place.checkout = THIS_VERSION
    for last in place.controllers[:CONTROLLERS]:
        new = place.open_controller()
        place.holds("count(*) > 0 FROM shard WHERE owner LIKE $1", f"%{new.process.pid}%")
        storm.rage("collector")
        assert last.runs, last.log.read_text()[-2000:]
        last.leave()
    storm.calm()
