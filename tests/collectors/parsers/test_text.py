"""Katib's TEXT format, and where we read more than Katib."""

import math
import re
import time
from datetime import UTC, datetime

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from collectors.parsers.text import MOST_MATCHES, Text
from collectors.parsers.words import without_colours


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("loss=0.25", [0.25]),
        ("epoch 3: loss = -1.5e-3, other=4", [-0.0015]),
        ("loss=1.", [1.0]),
        ("loss=.5", [0.5]),
        ("loss=+2E+3", [2000.0]),
        ("loss=inf", [math.inf]),
        ("loss=-Infinity", [-math.inf]),
        ("loss=0.5s", []),
        ("loss=97%", [97.0]),
        ("loss=1 loss=2", [1.0, 2.0]),
        ("loss=1e999", [math.inf]),
        ("loss=abc", []),
        ("loss=", []),
        ("loss=None", []),
        ("loss=nancy", []),
        ("loss=information", []),
        ("train-loss=0.4", []),
        ("losses=0.4", []),
        ("no metric here", []),
        ("", []),
        ("loss=1,234.5", []),
        ("loss=0,5", []),
        ("loss=1_000", []),
        ("loss=1'000", []),
        ("loss=0x1F", []),
        ("loss=1.0D+02", []),
        ("loss=1.#INF", []),
        ("loss=1.5.3", []),
        ("loss=1e+", []),
        ("loss=1e", []),
        ("loss=3, loss=4,5 loss=6", [3.0, 6.0]),
        ("loss=0.5, top5=3", [0.5]),
        ("loss=0.5,top5=3", [0.5]),
        ("loss=0.5.", [0.5]),
        ("(loss=0.5)", [0.5]),
        ("loss=12ms", []),
        ("loss=3eV", []),
        ("\x1b[32mloss=0.5\x1b[0m", [0.5]),
        ("\x1b[1;31mloss\x1b[0m=\x1b[38;5;12m0.5\x1b[0m", [0.5]),
        ("\x1b[1m\x1b(B\x1b[mloss=0.5\x1b(B\x1b[m", [0.5]),
        ("\x1b)0\x1b7\x1bcloss\x1b(B=\x1b8\x1b%G0.5", [0.5]),
        ("\x1b]0;a title\x07loss=0.5", [0.5]),
        ("\x1b]8;;file:///a\x1b\\loss=0.5\x1b]8;;\x1b\\", [0.5]),
        ('loss="0.5"', [0.5]),
        ('"loss"=0.5', [0.5]),
        ("{'loss' = '0.5'}", [0.5]),
        ("|loss=0.5|acc=3|", [0.5]),
        ("acc=3|loss=0.5", [0.5]),
        ("x|loss=1 x-|loss=2", []),
        ("val/loss=.89 train/loss=.089", []),
        ("val.loss=1 précisionloss=1 éloss=2 loss@5=3 x:loss=4", []),
        ("info: loss=1", [1.0]),
    ],
)
def test_default_filter(line: str, expected: list[float]) -> None:
    assert [value for _, value, _ in Text(["loss"])(line)] == expected


@pytest.mark.parametrize(
    "name",
    ["val/loss", "mAP@0.5", "f1@[IoU=0.25]", "eval.loss", "précision", "a|b", "|loss|", "損失"],
)
def test_any_name_is_found_and_no_part_of_it(name: str) -> None:
    parse = Text([name, "loss", "acc"])
    line = f"epoch 3: {name} = 0.25, x/{name}=7 loss=1 |acc=0.5| {name}=.5"
    assert [(found, value) for found, value, _ in parse(line)] == [
        (name, 0.25), ("loss", 1.0), ("acc", 0.5), (name, 0.5),
    ]  # fmt: skip


@pytest.mark.parametrize("written", ["nan", "NaN", "-nan", "NAN"])
def test_nan_is_a_report(written: str) -> None:
    ((name, value, _),) = Text(["loss"])(f"loss={written} lr=0.1")
    assert name == "loss"
    assert math.isnan(value)


def test_the_time_stands_before_the_first_space() -> None:
    ((_, _, at),) = Text(["loss"])("2024-05-01T10:00:00.123456789+02:00 loss=1")
    assert at == datetime(2024, 5, 1, 8, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    "stamp",
    [
        "2024-05-01",
        "20240501T100000Z",
        "2024-13-01T10:00:00Z",
        "2024-05-01T10:00:00",
        "0001-01-01T00:00:00+01:00",
    ],
)
def test_what_is_no_time_is_left_out(stamp: str) -> None:
    ((_, value, at),) = Text(["loss"])(f"{stamp} loss=1")
    assert (value, at) == (1.0, None)


def test_own_filters_and_their_trimming() -> None:
    filters = [r"\{metricName: ([\w|-]+), metricValue:( (-?\d+)(\.\d+)?)\}"]
    assert Text(["loss"], filters)("{metricName: loss, metricValue: 0.5}") == [("loss", 0.5, None)]


def test_two_filters_on_the_same_text_count_once() -> None:
    filters = [r"([\w-]+)=(-?\d+\.\d+)", r"([\w-]+)=-?(\d+\.\d+)", r"([\w-]+)=(-?\d)", r"(b)=(\d+)"]
    readings = Text(["a", "b"], filters)("b=3 a=-0.5 b=0.7")
    assert readings == [("b", 3.0, None), ("a", -0.5, None), ("b", 0.7, None)]


def test_optional_groups_that_took_no_part_are_no_report() -> None:
    assert Text(["loss"], [r"(loss)(=\d)?"])("loss") == ()


def test_greedy_patterns_stay_linear() -> None:
    line = "loss " + "a" * 60_000 + "!"
    parse = Text(["loss"], [r"((?:a+)+)=(\d)", r"(a|aa)+b(\d)(\d)"])
    begin = time.perf_counter()
    assert parse(line) == ()
    assert time.perf_counter() - begin < 2.0


def test_a_filter_finds_so_many_in_a_line_that_it_stays_fast() -> None:
    parse = Text(["l"], [r"(l)(1)(?:.*z)?"])
    begin = time.process_time()
    assert len(parse("l1" * 32_768)) == MOST_MATCHES
    assert time.process_time() - begin < 1.0
    assert len(Text(["l"])("l=1 " * 16_000)) == 16_000


def test_no_re2_is_refused() -> None:
    with pytest.raises(re2.error):
        Text(["loss"], [r"(?=loss)(a)(b)"])


@given(st.text(), st.lists(st.text(min_size=1, max_size=3), max_size=3))
def test_never_raises(line: str, metrics: list[str]) -> None:
    Text([*metrics, "a"])(line + "a=1")


@given(st.binary())
def test_never_raises_on_bytes(data: bytes) -> None:
    line = data.decode(errors="replace")
    Text(["loss"], [r"(.*)=(.*)"])(f"loss={line}={line}")


@given(st.floats(allow_nan=False))
def test_every_float_comes_back(value: float) -> None:
    assert Text(["loss"])(f"step 1 loss={value!r}, x=1") == [("loss", value, None)]


NAMES = [["loss"], ["loss", "val/loss"], ["a", "b@5", "train-loss"], ["e", "los"], ["é"], ["x y"]]
PIECES = [
    "loss", "val/", "train-", "a", "b@5", "x y", "é", "e", "=", " = ", " ", "|", "'", '"', "1",
    "0.5", ".", ",", "-", "+", "1e5", "1e", "nan", "inf", "Infinity", "\x1b[1m", "_", "/", ":",
    "\t", "5|", " 234", "^", "*", "j", "+2j", "s", "%",
]  # fmt: skip


@given(st.sampled_from(NAMES), st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_the_quick_look_tells_what_the_general_one_tells(names: list[str], line: str) -> None:
    """But for a name that another word or a number joins without a bar: that is a longer name."""
    general = Text(names)
    general._quick = None
    quick, whole = list(map(repr, Text(names)(line))), list(map(repr, general(line)))
    assert [one for one in quick if one not in whole] == []
    joined = any(
        re.search(rf"(?<=[\w-]){re.escape(name)}", without_colours(line)) for name in names
    )
    assert joined or quick == whole


@pytest.mark.parametrize(
    "line", ["INFO:root:loss=0.5", "WARNING:a.b:loss = 0.5", "ERROR::loss=0.5"]
)
def test_the_name_of_a_logger_is_no_part_of_a_metric(line: str) -> None:
    assert Text(["loss"])(line) == [("loss", 0.5, None)]


@pytest.mark.parametrize("piece", ["loss", "loss ", "'", "| ", "|", "1", " ", "loss=1e", "a|loss"])
def test_a_look_is_linear_in_the_line(piece: str) -> None:
    line = "loss" + piece * (64 * 1024 // len(piece))
    begin = time.process_time()
    Text(["loss", "val/loss"])(line)
    assert time.process_time() - begin < 2.0
