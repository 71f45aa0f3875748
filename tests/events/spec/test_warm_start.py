"""What is known beforehand: where it may come from, how much of it, and when two say the same."""

import pytest

from events.spec.warm_start import MOST_ROWS, Row, WarmStart, warm_start_problems


def found(warm: WarmStart | None, points: int = 0) -> list[str]:
    return [
        f"{problem.path[-1]}: {problem.message}"
        for problem in warm_start_problems(({"x": 1},) * points, warm)
    ]


ROW = Row(parameters={"x": 1}, value=0.5)


@pytest.mark.parametrize(
    "warm",
    [
        None,
        WarmStart(rows=(ROW,)),
        WarmStart(file="a.csv"),
        WarmStart(experiment="a"),
        WarmStart(experiment=("a", "b")),
    ],
)
def test_one_source_is_enough(warm: WarmStart | None) -> None:
    assert found(warm, 1000) == []


@pytest.mark.parametrize(
    "warm",
    [
        WarmStart(),
        WarmStart(rows=(), file="a.csv"),
        WarmStart(file="a.csv", experiment="a"),
        WarmStart(experiment=()),
    ],
)
def test_none_or_several_are_refused(warm: WarmStart) -> None:
    assert found(warm) == ["warmStart: give exactly one of rows, file and experiment"]


def test_there_are_limits() -> None:
    assert found(WarmStart(rows=(ROW,) * MOST_ROWS)) == []
    assert found(WarmStart(rows=(ROW,) * (MOST_ROWS + 1))) == [
        "rows: 1,001 rows are too many; keep the best 1,000"
    ]
    long = Row(parameters={"x": "é" * 300_000}, value=0.5)
    assert found(WarmStart(rows=(long,))) == [
        "rows: the rows have more than 512 KiB; keep the best of them"
    ]
    assert found(None, 1001) == ["suggested: 1,001 points are too many; at most 1,000 are allowed"]
    assert found(WarmStart(experiment=("a", "b", "a"))) == ["experiment: 'a' is listed twice"]


def test_the_same_source_is_the_same_whatever_its_rows_are_now() -> None:
    one, other = WarmStart(experiment="a"), WarmStart(experiment=("a",), rows=(ROW,))
    assert one.same_source(other)
    assert WarmStart(file="a.csv", rows=(ROW,)).same_source(WarmStart(file="a.csv", rows=()))
    assert not one.same_source(WarmStart(experiment="b"))
    assert not WarmStart(rows=(ROW,)).same_source(WarmStart(rows=()))
