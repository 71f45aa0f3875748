"""A Kafka with a single broker for the faults, and an installation on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import Brokers, brokers
from tests.faults.installation import Installation, installation


@pytest.fixture(scope="session")
def one_broker() -> Iterator[Brokers]:
    with brokers() as opened:
        yield opened


@pytest.fixture
def place(tmp_path: Path, one_broker: Brokers) -> Iterator[Installation]:
    with installation(tmp_path, one_broker) as opened:
        yield opened
