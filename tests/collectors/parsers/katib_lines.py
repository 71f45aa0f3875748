"""Katib's formats of metrics (spec.md, 5.4 and 5.5): what it stores for a line, what we read, and
which repair (spec.md, 12) makes the difference."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from math import inf, nan

import re2

FILTER = r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)"
YEAR_1 = "0001-01-01T00:00:00Z"
METRICS = ("loss", "val/loss")


class Repair(Enum):
    """Why we read something else; the numbers are those of spec.md, 12."""

    EMPTY = "12.1", "An empty value is none, and never wins."
    NOT_FINITE = "12.1", "NaN and infinity are kept, and never win."
    JSON_NUMBERS = "12.8", "Numbers are read, not strings alone."
    FRACTIONS = "12.8", "A fraction of a second is one."
    TO_ITS_END = "ours", "What is no number to its end is no report."
    NAMES = "ours", "A name is found whatever is in it, and is no part of another."
    WRAPPED = "ours", "Colours, quotes and bars around a name or a value do not matter."
    ONCE = "ours", "What several filters match counts once."
    ONE_LINE = "ours", "Such a line is skipped, and counted; the others are read."
    TIME = "ours", "A report without a time has that of its reading."


@dataclass(frozen=True, slots=True)
class Row:
    """A line; the values that Katib stores, None if it fails with all lines; those that we read."""

    line: str
    katib: tuple[str, ...] | None
    ours: tuple[float, ...]
    repair: Repair | None = None
    metric: str = "loss"
    json: bool = False
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Time:
    """A line with a value; the time that Katib stores, and ours, None: that of the reading."""

    line: str
    katib: str
    ours: datetime | None
    repair: Repair | None = None
    json: bool = False


LOSS_TWICE = (r"(loss)=(\d\.\d)", r"(\w+)=(\d\.\d)")
ROWS = (
    # TEXT
    Row("loss=0.25", ("0.25",), (0.25,)),
    Row("epoch 3: loss = -1.5e-3, acc=4", ("-1.5e-3",), (-0.0015,)),
    Row("loss=1 loss=2", ("1", "2"), (1, 2)),
    Row("loss=.5", (".5",), (0.5,)),
    Row("loss=+2E+3", ("+2E+3",), (2000,)),
    Row("loss=97%", ("97",), (97,)),
    Row("train-loss=0.4", (), ()),
    Row("losses=0.4", (), ()),
    Row("loss: 0.25", (), ()),
    Row("loss=1.", ("1",), (1,)),
    Row("loss=", ("",), (), Repair.EMPTY),
    Row("loss=abc", ("",), (), Repair.EMPTY),
    Row("loss=nan", ("",), (nan,), Repair.NOT_FINITE),
    Row("loss=-inf", ("-",), (-inf,), Repair.NOT_FINITE),
    Row("loss=0x10", ("0",), (), Repair.TO_ITS_END),
    Row("loss=1,234.5", ("1",), (), Repair.TO_ITS_END),
    Row("loss=1_000", ("1",), (), Repair.TO_ITS_END),
    Row("loss=1.5.3", ("1.5",), (), Repair.TO_ITS_END),
    Row("loss=12ms", ("12",), (), Repair.TO_ITS_END),
    Row("loss=1.5K", ("1.5",), (), Repair.TO_ITS_END),
    Row("loss=5-6", ("5",), (), Repair.TO_ITS_END),
    Row("loss=0.5 s", ("0.5",), (0.5,)),
    Row("val/loss=0.3", ("0.3",), (), Repair.NAMES),
    Row("val/loss=0.3", (), (0.3,), Repair.NAMES, metric="val/loss"),
    Row('loss="0.5"', ("",), (0.5,), Repair.WRAPPED),
    Row('"loss"=0.5', (), (0.5,), Repair.WRAPPED),
    Row("|loss=0.5|acc=3|", (), (0.5,), Repair.WRAPPED),
    Row("\x1b[32mloss=0.5\x1b[0m", (), (0.5,), Repair.WRAPPED),
    Row("loss=0.5", ("0.5", "0.5"), (0.5,), Repair.ONCE, filters=LOSS_TWICE),
    # JSON
    Row('{"loss": "0.5"}', ("0.5",), (0.5,), json=True),
    Row('{"acc": "0.5"}', (), (), json=True),
    Row("", (), (), json=True),
    Row('{"loss": 0.5}', (), (0.5,), Repair.JSON_NUMBERS, json=True),
    Row('{"loss": NaN}', None, (nan,), Repair.NOT_FINITE, json=True),
    Row('{"loss": ""}', ("",), (), Repair.EMPTY, json=True),
    Row('{"loss": "high"}', ("high",), (), Repair.TO_ITS_END, json=True),
    Row('{"loss": {"val": "0.5"}}', (), (), json=True),
    Row("loss=0.5", None, (), Repair.ONE_LINE, json=True),
    Row('["loss", "0.5"]', None, (), Repair.ONE_LINE, json=True),
)
HALF = datetime(2024, 1, 2, 3, 4, 5, 500_000, UTC)
TIMES = (
    Time("2024-01-02T03:04:05.5Z loss=1", "2024-01-02T03:04:05.5Z", HALF),
    Time("loss=1", YEAR_1, None, Repair.TIME),
    Time("2024-01-02 03:04:05 loss=1", YEAR_1, None, Repair.TIME),
    Time('{"loss": "1", "timestamp": "2024-01-02T03:04:05.5Z"}', "2024-01-02T03:04:05.5Z", HALF,
        json=True),
    Time('{"loss": "1", "timestamp": 1704164645}', "2024-01-02T03:04:05Z",
        HALF.replace(microsecond=0), json=True),
    Time('{"loss": "1", "timestamp": 1704164645.5}', "2024-01-02T03:04:05.000000005Z", HALF,
        Repair.FRACTIONS, json=True),
    Time('{"loss": "1"}', YEAR_1, None, Repair.TIME, json=True),
)  # fmt: skip


def katib_text(line: str, metric: str, filters: Sequence[str] = ()) -> tuple[str, ...]:
    """What Katib's collector stores for a line of text, by its own filter."""
    if metric not in line:
        return ()
    found = [match for one in filters or (FILTER,) for match in re2.finditer(one, line)]
    return tuple(match[2].strip() for match in found if match[1].strip() == metric)


def katib_json(line: str, metric: str) -> tuple[str, ...] | None:
    """What it stores for a line of JSON: strings alone; None if it gives up."""
    if not line:
        return ()
    try:
        tree = json.loads(line, parse_constant=_refuse)
    except ValueError:
        return None
    if not isinstance(tree, dict):
        return None
    return (tree[metric],) if isinstance(tree.get(metric), str) else ()


def _refuse(word: str) -> float:
    """Go's reader of JSON takes no NaN."""
    raise ValueError(word)


def table() -> str:
    """The rows as a table of a page: the line, Katib's values and ours, and why they differ."""
    rows = ["| format | line | in Katib | here | why |", "|---|---|---|---|---|"]
    for row in ROWS:
        if row.repair is None:
            continue
        katib = "all lines are lost" if row.katib is None else _listed(row.katib)
        kind = "JSON" if row.json else f"`{' '.join(row.filters)}`" if row.filters else "TEXT"
        line = f"{_code(row.line)} for `{row.metric}`" if "/" in row.line else _code(row.line)
        cells = [kind, line, katib, _listed([f"{one:g}" for one in row.ours])]
        rows.append(_row(*cells, row.repair.value[1]))
    for time in TIMES:
        if time.repair is not None:
            ours = _code(time.ours.isoformat()) if time.ours else "the time of reading"
            kind = "JSON" if time.json else "TEXT"
            rows.append(_row(kind, _code(time.line), _code(time.katib), ours, time.repair.value[1]))
    return "\n".join(rows)


def _row(*cells: str) -> str:
    return f"| {' | '.join(one.replace('|', chr(92) + '|') for one in cells)} |"


def _listed(values: Sequence[str]) -> str:
    return ", ".join(_code(one) if one else "an empty value" for one in values) or "nothing"


def _code(text: str) -> str:
    shown = text.replace("\x1b", "ESC") or " "
    return f"`{shown}`"
