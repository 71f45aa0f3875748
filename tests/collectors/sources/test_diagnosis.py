"""Why metrics are missing in a file: each cause is told from the others, in bounded words."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.limits import MAX_LINE
from collectors.parsers import Parser
from collectors.parsers.json_lines import JsonLines
from collectors.parsers.refusals import MOST_LOOKS
from collectors.parsers.text import Text
from collectors.sources import moments
from collectors.sources.sample import diagnose
from collectors.sources.tail import Tail
from events.diagnosis import LONGEST_EXAMPLE, MOST_EXAMPLES, MOST_NAMES, Diagnosis, RefusedValue
from tests.tiers import tiered

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


@dataclass(slots=True)
class Hand:
    """The hand of a clock that is moved by hand."""

    now: float = 1_000.0


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    moved = Hand()
    monkeypatch.setattr(moments, "monotonic", lambda: moved.now)
    return moved


def seen(path: Path, text: str | bytes, parse: Parser | None = None) -> Diagnosis | None:
    """What is found in a file of this text."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    tail = Tail(path, parse or Text(["loss"]), lambda: NOON)
    while tail.finish():
        pass
    return tail.diagnosis()


def refused(*values: str) -> tuple[RefusedValue, ...]:
    return tuple(RefusedValue(metric="loss", value=value) for value in values)


def test_where_nothing_is_missing_nothing_is_said(tmp_path: Path) -> None:
    assert seen(tmp_path / "log", "starting: lr=0.1\nloss=0.5\nLoss: bye\n") is None


@pytest.mark.parametrize(
    ("mode", "words"), [(0o755, "it has mode 0000 and"), (0o700, "its folder")]
)
def test_a_file_that_only_its_owner_may_read(mode: int, words: str) -> None:
    """Root may read all, so it is somebody else for a moment."""
    us = os.geteuid()
    with TemporaryDirectory() as folder:
        path = Path(folder, "metrics")
        path.write_text("loss=0.5\n")
        path.chmod(0)
        Path(folder).chmod(mode if us == 0 or mode == 0o755 else 0o600)
        if us == 0:
            os.seteuid(1234)
        try:
            tail = Tail(path, Text(["loss"]), lambda: NOON)
            assert tail.finish() == []
            found = tail.diagnosis()
        finally:
            os.seteuid(us)
            Path(folder).chmod(0o700)
    assert found is not None
    assert found.absent
    assert found.failure.startswith(words)


def test_no_file_and_an_empty_file(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "none", Text(["loss"]), lambda: NOON)
    assert tail.finish() == []
    assert tail.diagnosis() == Diagnosis(absent=True)
    assert seen(tmp_path / "log", "\n  \n") == Diagnosis(empty=True)


def test_the_nearest_lines_are_those_that_name_it_and_differ_in_more_than_numbers(
    tmp_path: Path,
) -> None:
    lines = ["hello", "step 7", *(f"epoch {n}: loss: 0.{n}" for n in range(9)), "Loss 3", "loss?"]
    found = seen(tmp_path / "log", "\n".join(lines))
    nearest = ("epoch 8: loss: 0.8", "Loss 3", "loss?")
    assert found == Diagnosis(nearest=nearest, preset="lightgbm")


def test_other_names_the_likest_first(tmp_path: Path) -> None:
    text = "a=1 b=2 c=3 d=4 e=5 lr=0.1 val_loss=0.5 val/loss=0.25\n"
    found = seen(tmp_path / "log", text)
    assert found is not None
    assert found.others[:2] == ("val_loss", "val/loss")
    assert len(found.others) == MOST_NAMES


@pytest.mark.parametrize(
    ("text", "values", "count"),
    [
        ("loss=1,234.5\n", ("1,234.5",), 1),
        ("loss=abc\n", ("abc",), 0),  # no filter takes it for a value
        ("loss=0x1F loss=1_000 x=1\n" * 5, ("0x1F", "1_000"), 10),
        ("loss=tensor(0.5, device='cuda')\n", ("tensor(0.5",), 0),
    ],
)
def test_values_that_are_no_numbers(
    tmp_path: Path, text: str, values: Sequence[str], count: int
) -> None:
    found = seen(tmp_path / "log", text)
    assert found is not None
    assert (found.values, found.refused) == (refused(*values), count)


def test_what_a_filter_takes_and_is_no_number(tmp_path: Path) -> None:
    found = seen(tmp_path / "log", "loss is 0,5\n", Text(["loss"], [r"(\w+) is (\S+)"]))
    assert found is not None
    assert (found.values, found.refused) == (refused("0,5"), 1)


def test_refused_values_are_told_also_beside_good_ones(tmp_path: Path) -> None:
    found = seen(tmp_path / "log", "loss=0.5\nval/loss=1,5\nloss=1,234.5\n")
    assert found == Diagnosis(refused=1, values=refused("1,234.5"))


def test_of_a_long_log_the_first_lines_without_a_report_are_counted(tmp_path: Path) -> None:
    found = seen(tmp_path / "log", "loss=0.5\n" + "loss=1,5\n" * (MOST_LOOKS + 10))
    assert found is not None
    assert found.refused == MOST_LOOKS


def test_json_its_other_names_its_values_and_what_is_none(tmp_path: Path) -> None:
    text = '{"loss": "n/a", "val_loss": 0.5}\n{"loss": null}\nEpoch 1\n{\n'
    found = seen(tmp_path / "log", text, JsonLines(["loss"]))
    assert found is not None
    assert (found.refused, found.skipped, found.others) == (2, 2, ("val_loss",))
    assert found.values == refused("n/a", "None", "null")


def test_lines_that_are_too_long_are_counted(tmp_path: Path) -> None:
    assert seen(tmp_path / "log", "x" * MAX_LINE * 2 + " loss=2\nloss=1\n") == Diagnosis(cut=1)


def test_of_a_long_file_the_beginning_and_the_end_are_looked_at(tmp_path: Path) -> None:
    text = "Loss: 1\n" + "nothing here\n" * 100_000 + "the loss is 3 in the end\n"
    found = seen(tmp_path / "log", text)
    assert found is not None
    assert found.nearest == ("the loss is 3 in the end", "Loss: 1", "nothing here")


@pytest.mark.parametrize(
    ("seconds", "values", "late"),
    [(60, 3, True), (60, 2, False), (3, 3, False)],
)
def test_values_that_come_all_at_the_end_of_a_long_run(
    tmp_path: Path, hand: Hand, seconds: int, values: int, late: bool
) -> None:
    path = tmp_path / "log"
    path.write_text("a warning on stderr\n")
    tail = Tail(path, Text(["loss"]), lambda: NOON)
    assert tail.read() == []
    hand.now += seconds
    path.write_text("a warning on stderr\n" + "loss=1\n" * values)
    assert len(tail.read()) == values
    hand.now += 1
    assert tail.finish() == []
    assert tail.diagnosis() == (Diagnosis(late=True) if late else None)


def test_values_that_come_as_they_are_made_are_not_late(tmp_path: Path, hand: Hand) -> None:
    path = tmp_path / "log"
    path.write_text("loss=3\n")
    tail = Tail(path, Text(["loss"]), lambda: NOON)
    assert tail.read()
    hand.now += 60
    path.write_text("loss=3\n" + "loss=1\n" * 5)
    assert len(tail.finish()) == 5
    assert tail.diagnosis() is None


def test_a_reader_that_goes_on_keeps_the_counts_and_calls_nothing_late(
    tmp_path: Path, hand: Hand
) -> None:
    path = tmp_path / "log"
    path.write_text("loss=1\nloss=0x1F\n")
    first = Tail(path, Text(["loss"]), lambda: NOON)
    assert first.read()
    second = Tail(path, Text(["loss"]), lambda: NOON)
    second.restore(first.state())
    hand.now += 60
    path.write_text("loss=1\nloss=0x1F\n" + "loss=1\n" * 5)
    assert len(second.finish()) == 5
    assert second.diagnosis() == Diagnosis(refused=1, values=refused("0x1F"))


def test_a_reader_that_goes_on_knows_what_the_first_one_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log"
    text = '{"loss": "n/a"}\nEpoch 1\n{"loss": 0.5}\n'
    path.write_text(text)
    first = Tail(path, JsonLines(["loss"]), lambda: NOON)
    assert len(first.read()) == 1
    second = Tail(path, JsonLines(["loss"]), lambda: NOON)
    second.restore(first.state())
    path.write_text(f"{text}Epoch 2\n")
    assert second.finish() == []
    assert second.diagnosis() == Diagnosis(refused=1, skipped=2, values=refused("n/a"))


def test_a_reader_goes_on_with_the_state_of_an_earlier_version(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("loss=1\nloss=0x1F\n")
    first = Tail(path, Text(["loss"]), lambda: NOON)
    assert first.read()
    known = orjson.loads(first.state())
    del known["left_out"]
    second = Tail(path, Text(["loss"]), lambda: NOON)
    second.restore(orjson.dumps({**known, "refused": 3}))
    assert second.diagnosis() == Diagnosis(refused=3)


def test_of_a_long_log_no_reader_looks_at_more_lines_than_the_first(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("loss=0.5\n" + "loss=1,5\n" * MOST_LOOKS)
    first = Tail(path, Text(["loss"]), lambda: NOON)
    assert first.read()
    second = Tail(path, Text(["loss"]), lambda: NOON)
    second.restore(first.state())
    append = "loss=1,5\n" * 10
    with path.open("a") as file:
        file.write(append)
    assert second.finish() == []
    found = second.diagnosis()
    assert found is not None
    assert found.refused == MOST_LOOKS


def test_lines_that_are_no_json_are_told_also_beside_good_ones(tmp_path: Path) -> None:
    found = seen(tmp_path / "log", '{"loss": 0.5}\nEpoch 1\n', JsonLines(["loss"]))
    assert found == Diagnosis(skipped=1)


@settings(max_examples=tiered(100))
@given(st.binary(max_size=3000), st.sampled_from(["text", "json", "filter"]))
def test_whatever_the_bytes_it_is_bounded(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, kind: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "log"
    path.write_bytes(data + b"\nloss=" + data)
    metrics = ["loss", "acc"]
    parse = (
        JsonLines(metrics) if kind == "json" else Text(metrics, [r"(.*)=(.*)"][kind == "text" :])
    )
    found = diagnose(path, path.parent, parse, {}, cut=0, late=False)
    assert found is not None
    assert len(found.nearest) <= MOST_EXAMPLES
    assert all(len(one) <= LONGEST_EXAMPLE for one in (*found.nearest, *found.others))
    assert Diagnosis.model_validate_json(found.model_dump_json()) == found
