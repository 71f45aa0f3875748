"""Katib's formats are read as Katib reads them, but for the repairs, which the page lists."""

from pathlib import Path

import pytest

from collectors.parsers import Parser, parser_for
from events.spec.collector import MetricsCollectorSpec
from tests.collectors.parsers.katib_lines import (
    METRICS,
    ROWS,
    TIMES,
    Repair,
    Row,
    Time,
    katib_json,
    katib_text,
    table,
)

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def parser(row: Row | Time) -> Parser:
    filters = row.filters if isinstance(row, Row) else ()
    source = {
        "fileSystemPath": {"path": "/m", "format": "JSON" if row.json else "TEXT"},
        "filter": {"metricsFormat": filters},
    }
    tree = {"collector": {"kind": "File"}, "source": source}
    return parser_for(MetricsCollectorSpec.model_validate(tree, strict=False), METRICS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.line} {row.metric}")
def test_a_line_is_read_as_in_katib_but_for_a_repair(row: Row) -> None:
    stored = (
        katib_json(row.line, row.metric)
        if row.json
        else katib_text(row.line, row.metric, row.filters)
    )
    assert stored == row.katib
    read = [value for name, value, _ in parser(row)(row.line) if name == row.metric]
    assert repr(read) == repr([float(one) for one in row.ours])
    same = row.katib is not None and _numbers(row.katib) == list(map(float, row.ours))
    assert same == (row.repair is None)


@pytest.mark.parametrize("row", TIMES, ids=lambda row: row.line)
def test_a_time_is_read_as_in_katib_but_for_a_repair(row: Time) -> None:
    ((_, _, at),) = parser(row)(row.line)
    assert at == row.ours
    shown = row.ours.isoformat().replace("500000+00:00", "5Z") if row.ours else ""
    assert (shown.replace("+00:00", "Z") == row.katib) == (row.repair is None)


def test_each_repair_is_shown() -> None:
    assert {row.repair for row in (*ROWS, *TIMES)} == {None, *Repair}


def test_the_page_has_the_table() -> None:
    assert table() in PAGE.read_text(), f"docs/metrics.md lacks:\n{table()}"


def _numbers(values: tuple[str, ...]) -> list[float] | None:
    try:
        return [float(one) for one in values]
    except ValueError:
        return None
