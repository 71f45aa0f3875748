"""Statements whose parameters have names."""

from types import SimpleNamespace

import pytest

from controller.store.statement import Statement


def test_a_name_is_one_parameter_however_often_it_occurs() -> None:
    statement = Statement("SELECT :b::text, :a, :b FROM t WHERE c::int = :a")
    assert statement.sql == "SELECT $1::text, $2, $1 FROM t WHERE c::int = $2"
    assert statement.values(a=1, b="x") == ("x", 1)


def test_rows_become_one_list_for_each_column() -> None:
    statement = Statement("SELECT * FROM unnest(:row.x::int[], :row.y::text[]) WHERE z = :z")
    rows = [SimpleNamespace(x=1, y="a"), SimpleNamespace(x=2, y="b")]
    assert statement.values(z=None, row=rows) == ([1, 2], ["a", "b"], None)


@pytest.mark.parametrize("given", [{}, {"a": 1}, {"a": 1, "b": 2, "c": 3}])
def test_what_is_missing_or_not_asked_for_is_refused(given: dict[str, int]) -> None:
    with pytest.raises(TypeError, match="takes"):
        Statement("SELECT :a, :b").values(**given)


@pytest.mark.parametrize("file", ["admit.sql", "commit.sql"])
def test_a_file_names_all_its_values(file: str) -> None:
    statement = Statement.load(file)
    assert ":" not in statement.sql.replace("::", "").partition("WITH")[2]
    assert "$1" in statement.sql
