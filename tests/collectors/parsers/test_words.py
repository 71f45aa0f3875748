"""One rule for every filter of ours says what may follow a number: what else does is no report, and
is counted."""

import time

import pytest

from collectors.parsers import Parser
from collectors.parsers.explanation import explain
from collectors.parsers.presets import PresetText
from collectors.parsers.text import Text
from events.spec.collector import Preset

NO_NUMBERS = [
    "9834/10000", "5 / 10", "2024-05-01", "0:01:30", "5-6", "5\N{EN DASH}6",
    "1.5K", "3.2M", "12abc", "12ms", "0.5s", "950us", "950µs", "3eV", "1j",
    "1 234", "12 345.5", "1 234 567", "1\N{NO-BREAK SPACE}234", "1\N{NARROW NO-BREAK SPACE}234,5",
    "1,234.5", "1'234", "1\N{RIGHT SINGLE QUOTATION MARK}234", "0,5", "1_000", "0x1F", "1.5.3",
    "10^-3", "2**-3", "1.5*10^3", "1.5 * 10^3", "1.5\N{MULTIPLICATION SIGN}10^3", "1.5 x 10^3",
    "10⁻³", "10³", "1½",
    "1+2j", "1.5e3+2.5j", "1.#INF", "1.0D+02", "1e", "nano", "infer",
]  # fmt: skip
NUMBERS = {
    "97%": 97.0, "0.5,": 0.5, "0.5, 12 of them": 0.5, "0.5]": 0.5, "0.5)": 0.5, "0.5 s": 0.5,
    "0.5 (0.6)": 0.5, "0.34+0.02": 0.34, "0.34 + 0.02": 0.34, "5 100%|██": 5.0, "5 100/200": 5.0,
    "0 123": 0.0, "0.5 234": 0.5, "1234 567": 1234.0, "5 12": 5.0, "5 1234": 5.0, "0.5 *": 0.5,
    "0.5** ": 0.5, "0.5 - acc": 0.5, "0.5 / acc": 0.5, "0.5;": 0.5, "0.5: x": 0.5, "nan ": None,
    "-1.5e-3": -0.0015, "0.5 x": 0.5, "2 x 3": 2.0,
}  # fmt: skip


def parsers() -> list[Parser]:
    general = Text(["loss"])
    general._quick = None
    return [Text(["loss"]), general, PresetText(["loss"], Preset.AUTO)]


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_what_is_no_number_to_its_end_is_no_report_and_is_counted(value: str) -> None:
    for parse in parsers():
        line = f"loss={value}"
        assert list(parse(line)) == []
        assert (parse.refusals.count, explain(parse, line).refused) == (
            (1, [("loss", value)]) if value[0].isdigit() else (0, [("loss", value)])
        )
    auto = PresetText(["loss"], Preset.AUTO)
    assert list(auto(f"loss: {value}")) == []


@pytest.mark.parametrize("value", NUMBERS)
def test_what_may_follow_a_number(value: str) -> None:
    for parse in parsers():
        ((_, found, _),) = parse(f"loss={value}")
        assert found == NUMBERS[value] or NUMBERS[value] is None
        assert parse.refusals.count == 0


def test_a_value_that_is_refused_is_counted_beside_one_that_is_not() -> None:
    for parse in (Text(["loss", "acc"]), PresetText(["loss", "acc"], Preset.AUTO)):
        assert [name for name, _, _ in parse("acc=0.5 loss=1.5K")] == ["acc"]
        assert parse.refusals.count == 1
        assert parse.refusals.examples[0].value == "1.5K"


@pytest.mark.parametrize("piece", [" ", "1 ", "1 234 ", "\t", " /", "*", "loss=1 ", "loss=1* "])
def test_the_rule_takes_time_linear_in_the_line(piece: str) -> None:
    line = "loss=1" + piece * (64 * 1024 // len(piece))
    begin = time.process_time()
    for parse in parsers():
        parse(line)
    assert time.process_time() - begin < 3.0
