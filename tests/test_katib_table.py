"""What becomes of Katib's examples is told in docs/katib.md, and it is true."""

from tests.katib_table import PAGE, page, table


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.katib_table"


def test_what_does_not_run_says_what_is_to_come() -> None:
    """Or is refused by Katib's own webhook, too."""
    for row in table().splitlines()[2:]:
        told = row.split(" | ")[1]
        assert told == "runs" or "not supported yet" in told or "Katib's webhook" in told, row
