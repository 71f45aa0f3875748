"""What each algorithm honours is told in docs/algorithms.md, and it is true."""

import pytest

from algorithms.conformance.__main__ import PAGE
from algorithms.conformance.columns import COLUMNS, heading, row
from algorithms.search.registry import ALGORITHMS
from tests.tiers import rest_is_long


def rows_of(name: str) -> list[str]:
    """The rows of the page's table that begin with the algorithm."""
    lines = PAGE.read_text().splitlines()
    return [one for one in lines if one.startswith(f"| `{name}` | ") and one.count("|") > 10]


@pytest.mark.parametrize(
    "name",
    rest_is_long(ALGORITHMS, lambda name: not name.startswith("skopt.")),  # which takes long
)
def test_the_page_is_up_to_date(name: str) -> None:
    found = row(name)
    if found is None:
        pytest.skip(f"the library of {name} is not installed")
    assert rows_of(name) == [found], "run: python -m algorithms.conformance"


def test_the_table_has_every_algorithm_and_no_broken_cell() -> None:
    assert "\n".join(heading()) in PAGE.read_text()
    for name in ALGORITHMS:
        (line,) = rows_of(name)
        cells = [cell.strip() for cell in line.strip("|").split("|")[1:]]
        assert len(cells) == len(COLUMNS)
        assert set(cells) <= {"yes", "refused", "each once"}, line
