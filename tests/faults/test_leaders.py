"""Three brokers, whose leaders die one after the other."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import Brokers, brokers
from tests.faults.installation import installation
from tests.faults.storm import CONTROLLERS, Storm, seed

KILLS = 5


@pytest.fixture
def three_brokers() -> Iterator[Brokers]:
    with brokers("--brokers", "3") as opened:
        yield opened


@pytest.mark.long  # of one broker, tests/events/test_kafka_faults.py kills it
def test_leaders_die_and_nothing_is_lost(tmp_path: Path, three_brokers: Brokers) -> None:
    number = seed()
    print(f"\nFAULT_SEED={number}")
    with installation(tmp_path, three_brokers) as place:
        storm = Storm(place, three_brokers, random.Random(number))
        for _ in range(CONTROLLERS):
            place.open_controller()
        for name in ("random", "sobol", "nevergrad"):
            place.submit(name, name, trials=12)
        for _ in range(KILLS):
            storm.rage("leader", "controller")
        storm.calm()
