"""The JSON format: numbers as well as strings, right fractions of a second, bad lines skipped."""

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.parsers.json_lines import JsonLines


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"loss": 0.5}', [0.5]),
        ('{"loss": "0.5"}', [0.5]),
        ('{"loss": " 1e-3 "}', [0.001]),
        ('{"loss": 3, "epoch": 1}', [3.0]),
        ('{"loss": Infinity}', [math.inf]),
        ('{"loss": "-inf"}', [-math.inf]),
        ('{"loss": 1' + "0" * 400 + "}", [math.inf]),
        ('{"loss": true}', []),
        ('{"loss": null}', []),
        ('{"loss": [1]}', []),
        ('{"loss": "abc"}', []),
        ('{"train-loss": 1}', []),
    ],
)
def test_values(line: str, expected: list[float]) -> None:
    parse = JsonLines(["loss"])
    assert [value for _, value, _ in parse(line)] == expected
    assert parse.refusals.skipped == 0


def test_nan_as_python_writes_it() -> None:
    ((_, value, _),) = JsonLines(["loss"])('{"loss": NaN}')
    assert math.isnan(value)


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("1638422847.28721", datetime(2021, 12, 2, 5, 27, 27, 287210, tzinfo=UTC)),
        ("0.5", datetime(1970, 1, 1, 0, 0, 0, 500000, tzinfo=UTC)),
        ("1638422847", datetime(2021, 12, 2, 5, 27, 27, tzinfo=UTC)),
        ('"2021-12-02T14:27:27.000028721+09:00"', datetime(2021, 12, 2, 5, 27, 27, 28, tzinfo=UTC)),
        ('"yesterday"', None),
        ("1e300", None),
        ("NaN", None),
        ("true", None),
        ("null", None),
    ],
)
def test_timestamps(stamp: str, expected: datetime | None) -> None:
    assert JsonLines(["loss"])(f'{{"loss": 1, "timestamp": {stamp}}}') == [("loss", 1.0, expected)]


@pytest.mark.parametrize(
    "line", ["not json", "[1, 2]", "3", '{"loss": 1', "[" * 60_000, '{"loss": ' + "9" * 5000 + "}"]
)
def test_lines_that_are_no_object_are_skipped_and_counted(line: str) -> None:
    parse = JsonLines(["loss"])
    assert parse(line) == ()
    assert parse("   ") == ()
    assert parse.refusals.skipped == 1
    assert parse('{"loss": 2}') == [("loss", 2.0, None)]


@given(st.binary())
def test_never_raises(data: bytes) -> None:
    JsonLines(["a"])(data.decode(errors="replace"))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_JSON, _JSON)
def test_never_raises_on_any_value(value: object, stamp: object) -> None:
    JsonLines(["a"])(json.dumps({"a": value, "timestamp": stamp}))
