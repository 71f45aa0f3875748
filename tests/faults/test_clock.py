"""The clock of a controller's machine jumps by an hour, ahead and back: nobody loses a shard,
nothing is lost."""

from pathlib import Path

import pytest

import tests.faults.invariants as invariants
from tests.faults.installation import Installation

TRIALS = 60
JUMPS = ("+1h", "-1h", "+0")


def library() -> Path:
    """libfaketime, which tells a process another time."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        pytest.skip("they set the clock of a process: install Debian's package libfaketime")
    return found[0]


def test_a_clock_that_jumps_an_hour_harms_nothing(place: Installation, tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0")
    place.simulate("quick")
    place.variables = {
        "LD_PRELOAD": str(library()), "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    place.open_controller()
    place.holds("count(owner) = count(*) FROM shard")
    place.submit("timeless", trials=TRIALS)
    for number, jump in enumerate(JUMPS, 1):
        place.holds("count(*) >= $1 FROM trial WHERE ordinal IS NOT NULL", number * TRIALS // 5)
        clock.write_text(jump)
    place.holds("count(*) = 1 FROM experiment WHERE concluded_at IS NOT NULL")
    place.holds("NOT EXISTS (SELECT FROM outbox)")
    assert place.postgres.value("SELECT max(at) - min(at) > '1 hour' FROM fact")
    assert place.postgres.value("SELECT max(epoch) FROM shard") == 1
    assert (
        place.postgres.ask(lambda database: invariants.violations(database, invariants.AT_REST))
        == []
    )
