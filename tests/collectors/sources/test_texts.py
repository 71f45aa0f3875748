"""Of each metric that is a text a file gives the last one by time, within bounds; of all others
what is no number is left out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from collectors.parsers.text import Text
from collectors.sources.tail import Tail
from events.diagnosis import Diagnosis
from events.metrics import MOST_TEXTS
from events.model import LONGEST_MESSAGE

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
FILTERS = r"([\w-]+)=(Genotype.*)", r"(loss)=(\S+)"


def tail(path: Path, metrics: Sequence[str] = ("best", "loss")) -> Tail:
    return Tail(path, Text(metrics, FILTERS), lambda: NOON)


def written(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_a_text_is_no_point_and_no_number_of_another_metric_is_a_text(tmp_path: Path) -> None:
    path = written(tmp_path / "log", "best=Genotype(1) ", "loss=1", "loss=Genotype(2)", "loss=1,5")
    reader = tail(path)
    assert [(point.metric, point.value) for point in reader.finish()] == [("loss", 1.0)]
    assert not reader.finish()
    assert reader.texts() == {"best": "Genotype(1)"}
    seen = reader.diagnosis()
    assert seen is not None
    assert (seen.refused, [one.value for one in seen.values]) == (3, ["Genotype(2)"] * 1 + ["1,5"])


def test_the_last_text_by_time_counts(tmp_path: Path) -> None:
    lines = (
        "2024-01-01T11:00:00Z best=Genotype(1)",
        "2024-01-01T13:00:00Z best=Genotype(2)",
        "2024-01-01T13:00:00Z best=Genotype(3)",
        "best=Genotype(4)",
    )
    reader = tail(written(tmp_path / "log", *lines))
    reader.finish()
    assert reader.texts() == {"best": "Genotype(3)"}


def test_another_reader_goes_on_with_what_was_found(tmp_path: Path) -> None:
    path = written(tmp_path / "log", "2024-01-01T13:00:00Z best=Genotype(1)", "loss=1")
    first, second = tail(path), tail(path)
    assert first.read()
    written(path, *path.read_text().splitlines(), "2024-01-01T12:30:00Z best=Genotype(2)")
    second.restore(first.state())
    second.finish()
    assert second.texts() == {"best": "Genotype(1)"}


def test_texts_have_bounds_and_what_is_beyond_them_is_said(tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(MOST_TEXTS + 1)]
    long = "Genotype" + "é" * LONGEST_MESSAGE
    lines = [f"{name}=Genotype" for name in names[1:]] + [f"{names[0]}={long}"]
    reader = tail(written(tmp_path / "log", *lines), names)
    reader.finish()
    assert sorted(reader.texts()) == sorted(names[:MOST_TEXTS])
    seen = reader.diagnosis()
    assert seen is not None
    assert (seen.texts_cut, seen.texts_left_out) == (1, 1)


def test_of_a_trial_that_has_its_text_nothing_is_said(tmp_path: Path) -> None:
    reader = tail(written(tmp_path / "log", "best=Genotype(1)", "x=Genotype(2)"), ["best"])
    reader.finish()
    assert reader.diagnosis() is None


def test_of_a_text_that_no_filter_reads_it_is_not_said_that_it_is_no_number(tmp_path: Path) -> None:
    reader = tail(written(tmp_path / "log", "best=Network(2)"), ["best"])
    reader.finish()
    assert reader.diagnosis() == Diagnosis(nearest=("best=Network(2)",))
