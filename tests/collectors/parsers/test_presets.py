"""What trainings print, read by Katib's filter and by the ready ones."""

import time
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.parsers.presets import PresetText, suggest
from collectors.parsers.reading import Parser
from collectors.parsers.text import Text
from events.spec.collector import Preset
from tests.collectors.parsers.lines import LINES, Found, Printed

NAMED = [one for one in LINES if one.found]


def found(parse: Parser, line: str) -> Found:
    """NaN as a word, as it is equal to nothing."""
    return comparable([(name, value) for name, value, _ in parse(line)])


def comparable(readings: Found) -> Found:
    return [(name, "nan" if isnan(value) else value) for name, value in readings]  # type: ignore[misc]


def test_the_corpus_is_large() -> None:
    assert len(LINES) >= 60
    assert len({one.by for one in LINES}) >= 12
    assert {one.preset for one in LINES} == set(Preset)


@pytest.mark.parametrize("one", LINES, ids=lambda one: one.line[:40].encode("unicode_escape"))
def test_what_a_line_becomes(one: Printed) -> None:
    assert found(Text(one.names), one.line) == comparable(one.katib)
    assert found(PresetText(one.names, one.preset), one.line) == comparable(one.found)


@pytest.mark.parametrize("one", NAMED, ids=lambda one: one.line[:40].encode("unicode_escape"))
def test_auto_reads_what_the_others_read(one: Printed) -> None:
    assert found(PresetText(one.names, Preset.AUTO), one.line) == comparable(one.found)


@pytest.mark.parametrize("preset", list(Preset))
def test_no_preset_reads_what_auto_does_not(preset: Preset) -> None:
    for one in LINES:
        readings = found(PresetText(one.names, preset), one.line)
        by_auto = found(PresetText(one.names, Preset.AUTO), one.line)
        assert all(reading in by_auto for reading in readings), one.line


def test_the_time_of_a_line_and_a_progress_bar_within() -> None:
    ((_, _, at),) = PresetText(["loss"], Preset.AUTO)("2024-05-01T10:00:00Z loss: 1")
    assert at is not None
    assert at.isoformat() == "2024-05-01T10:00:00+00:00"


@pytest.mark.parametrize(
    ("lines", "preset"),
    [
        (["[0]\ttrain-rmse:0.5\tvalid-rmse:0.4"], Preset.XGBOOST),
        (["10/10 - 0s - valid-rmse: 0.3"], Preset.KERAS),
        (["{'valid-rmse': 0.3}"], Preset.TRANSFORMERS),
        (["it/s, valid-rmse=0.3]"], Preset.LIGHTNING),
        (["valid_0's valid-rmse: 0.3"], Preset.LIGHTGBM),
        (["valid-rmse: 0.3"], Preset.KEY_COLON_VALUE),
        (["final valid-rmse=0.3"], Preset.AUTO),
        (["nothing", "valid-rmse"], None),
        ([], None),
    ],
)
def test_the_preset_that_would_have_matched(lines: list[str], preset: Preset | None) -> None:
    assert suggest(lines, ["valid-rmse"]) is preset


def test_the_preset_that_knows_most_of_the_metrics() -> None:
    assert suggest(["(loss: 1)", "x - acc: 2"], ["loss", "acc"]) is Preset.KEY_COLON_VALUE


@pytest.mark.parametrize("preset", list(Preset))
@pytest.mark.parametrize("piece", ["loss", "loss ", "'", "| ", "1", " ", "loss: 1e", "- loss: 1 "])
def test_time_is_linear_in_the_line(preset: Preset, piece: str) -> None:
    parse = PresetText(["loss", "acc", "val/loss"], preset)
    line = "loss" + piece * (64 * 1024 // len(piece))
    begin = time.process_time()
    parse(line)
    assert time.process_time() - begin < 0.5


@given(st.text(), st.lists(st.text(min_size=1, max_size=3), max_size=3), st.sampled_from(Preset))
def test_never_raises(line: str, metrics: list[str], preset: Preset) -> None:
    PresetText([*metrics, "a"], preset)(line + "a: 1" + line)
    suggest([line], metrics)


@given(st.floats(allow_nan=False), st.sampled_from(["loss={!r}", "loss: {!r}", "{{'loss': {!r}}}"]))
def test_every_float_comes_back(value: float, written: str) -> None:
    assert PresetText(["loss"], Preset.AUTO)(written.format(value)) == [("loss", value, None)]
