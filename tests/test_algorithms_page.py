"""What each algorithm honours is told in docs/algorithms.md, and it is true."""

from algorithms.conformance.__main__ import PAGE, page
from algorithms.conformance.columns import COLUMNS
from algorithms.search.registry import ALGORITHMS


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run: python -m algorithms.conformance"


def test_the_table_has_every_algorithm_and_no_broken_cell() -> None:
    text = PAGE.read_text()
    for name in ALGORITHMS:
        (row,) = (
            line
            for line in text.splitlines()
            if line.startswith(f"| `{name}` | ") and line.count("|") > 10
        )
        cells = [cell.strip() for cell in row.strip("|").split("|")[1:]]
        assert len(cells) == len(COLUMNS)
        assert set(cells) <= {"yes", "refused", "each once"}, row
