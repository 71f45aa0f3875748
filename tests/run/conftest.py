"""A desk: a folder with an experiment file and a data folder, and `trialstream` as a person starts it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.run.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()
