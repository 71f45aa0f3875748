"""The benchmark `history` in little: what is over costs nothing that grows with it."""

from pathlib import Path

import pytest

from benchmarks import history
from benchmarks.bars import BARS


@pytest.mark.long
def test_what_is_over_is_in_nobodys_way(tmp_path: Path) -> None:
    outcome = history.measure(tmp_path, quick=True, arguments=("--over", "10", "--live", "5"))
    assert outcome.figures.keys() == BARS["history"].keys()
    assert outcome.figures["loop_cpu_ms"] < 250  # whoever else is on the machine
