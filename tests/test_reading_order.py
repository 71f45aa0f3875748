"""The page of the architecture names every module of today."""

from tests.reading_order import PAGE, ordered, page


def test_the_page_has_the_modules_of_today() -> None:
    assert page() == PAGE.read_text(), "run: make docs"


def test_what_is_imported_comes_first() -> None:
    assert ordered({"p.a": {"p.c"}, "p.b": set(), "p.c": set()}) == ["p.b", "p.c", "p.a"]
