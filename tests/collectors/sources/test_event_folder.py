"""A folder of event files gives each scalar once, however its bytes arrive."""

import logging
import math
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from tensorboardX import SummaryWriter
from tensorboardX.proto.tensor_pb2 import TensorProto

from collectors.parsers.event_records import HEADER, LONGEST
from collectors.sources.event_folder import MOST_FILES, EventFolder
from collectors.sources.registry import source_for
from collectors.sources.tail import LAST_RESTARTS
from events.diagnosis import MOST_NAMES, Diagnosis, ReadTag
from events.metrics import Point
from events.spec.collector import MetricsCollectorSpec
from tests.collectors.event_files import event, record, write
from tests.tiers import tiered

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
START = datetime.fromtimestamp(1_700_000_000, UTC)


def folder_of(path: Path, *metrics: str) -> EventFolder:
    return EventFolder(path, metrics, lambda: NOON)


def all_of(reader: EventFolder) -> list[Point]:
    points: list[Point] = []
    while more := reader.finish():
        points += more
    return points


def values(points: Sequence[Point], metric: str) -> list[float]:
    assert [one.step for one in points if one.metric == metric] == list(
        range(1, 1 + sum(one.metric == metric for one in points))
    )
    return [one.value for one in points if one.metric == metric]


def test_what_a_real_writer_writes_is_read_to_the_last_scalar(tmp_path: Path) -> None:
    write(tmp_path, "loss", [0.5, 0.25, math.nan, math.inf])
    points = all_of(folder_of(tmp_path, "loss"))
    assert points[:2] == [Point("loss", 1, START, 0.5), Point("loss", 2, points[1].at, 0.25)]
    assert math.isnan(points[2].value)
    assert points[3].value == math.inf
    assert points[3].at.timestamp() == 1_700_000_003


def test_a_folder_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    assert all_of(folder_of(tmp_path / "none", "loss")) == []


def test_it_is_read_while_it_grows_byte_by_byte(tmp_path: Path) -> None:
    write(tmp_path / "whole", "loss", [float(n) for n in range(20)])
    (source,) = (tmp_path / "whole").iterdir()
    data = source.read_bytes()
    (tmp_path / "part").mkdir()
    file, reader, points = tmp_path / "part" / source.name, folder_of(tmp_path / "part", "loss"), []
    for end in range(0, len(data) + 1, 3):
        file.write_bytes(data[:end])
        points += reader.read()
        reader_after, state = folder_of(tmp_path / "part", "loss"), reader.state()
        reader_after.restore(state)
        reader = reader_after
    file.write_bytes(data)
    points += all_of(reader)
    assert values(points, "loss") == [float(n) for n in range(20)]


@pytest.mark.parametrize(
    ("metric", "folder", "tag"),
    [
        ("accuracy", "", "accuracy"),
        ("accuracy", "train", "accuracy"),
        ("train/accuracy", "", "train/accuracy"),
        ("train/accuracy", "train", "accuracy"),
        ("accuracy", "", "accuracy_1"),
        ("test/accuracy", "logs/mytest", "accuracy_1"),
        ("test/accuracy", "logs/test", "accuracy"),
    ],
)
def test_a_metric_is_a_tag_or_folder_and_tag_or_what_katib_takes(
    tmp_path: Path, metric: str, folder: str, tag: str
) -> None:
    write(tmp_path / folder, tag, [1.0])
    write(tmp_path / "other", "loss", [2.0])
    assert values(all_of(folder_of(tmp_path, metric)), metric) == [1.0]


@pytest.mark.parametrize(
    ("path", "folder", "tag", "found"),
    [
        ("/logs/train", "", "accuracy", True),
        ("/logs/train/", "", "accuracy", True),
        ("/logs/mytrain", "", "accuracy_1", True),
        ("/logs/a", "train", "accuracy", True),
        ("/logs/train", "test", "accuracy", False),
        ("/logs/test", "", "accuracy", False),
    ],
)
def test_the_folder_of_a_metric_may_be_the_one_that_the_spec_names(
    tmp_path: Path, path: str, folder: str, tag: str, found: bool
) -> None:
    place = {"path": path, "kind": "Directory"}
    tree = {"collector": {"kind": "TensorFlowEvent"}, "source": {"fileSystemPath": place}}
    spec = MetricsCollectorSpec.model_validate(tree, strict=False)
    write(tmp_path / "of-this-attempt" / folder, tag, [1.0])
    reader = source_for(spec, ["train/accuracy"], tmp_path / "of-this-attempt", lambda: NOON)
    assert values(reader.finish(), "train/accuracy") == [1.0] * found


def tagged(tag: str, value: float) -> bytes:
    return event(tag, TensorProto(dtype=1, float_val=[value]))


@pytest.mark.parametrize("last", ["loss", "loss_scale"])
def test_the_tag_itself_goes_before_what_begins_like_it(tmp_path: Path, last: str) -> None:
    """Whichever comes first, if both are there."""
    both = {"loss": tagged("loss", 0.5), "loss_scale": tagged("loss_scale", 0.25)}
    end = both.pop(last)
    (tmp_path / "tfevents.1").write_bytes((b"".join(both.values()) + end) * 2)
    (tmp_path / "tfevents.2").write_bytes(end)
    reader = folder_of(tmp_path, "loss")
    assert set(values(all_of(reader), "loss")) == {0.5}
    assert reader.diagnosis() is None


@pytest.mark.parametrize("restored", [False, True])
def test_values_of_several_tags_are_said(tmp_path: Path, restored: bool) -> None:
    file, reader = tmp_path / "tfevents.1", folder_of(tmp_path, "loss")
    file.write_bytes(tagged("loss_scale", 0.25))
    points = reader.read()
    only = (ReadTag(metric="loss", tag="loss_scale"),)
    assert reader.diagnosis() == Diagnosis(mixed=only)
    if restored:
        state, reader = reader.state(), folder_of(tmp_path, "loss")
        reader.restore(state)
    with file.open("ab") as growing:
        growing.write(tagged("loss", 0.5) + tagged("loss_scale", 0.25))
    assert values(points + all_of(reader), "loss") == [0.25, 0.5]
    assert reader.diagnosis() == Diagnosis(mixed=(*only, ReadTag(metric="loss", tag="loss")))


def test_values_of_several_folders_are_said(tmp_path: Path) -> None:
    write(tmp_path / "train", "loss", [1.0], suffix=".a")
    write(tmp_path / "train", "loss", [1.0], suffix=".b")
    reader = folder_of(tmp_path, "loss")
    assert len(all_of(reader)) == 2
    assert reader.diagnosis() is None
    for number in range(MOST_NAMES):
        write(tmp_path / f"val{number}", "loss", [2.0])
    assert len(all_of(reader)) == MOST_NAMES
    seen = reader.diagnosis()
    assert seen is not None
    assert seen.mixed[:2] == (
        ReadTag(metric="loss", tag="train/loss"), ReadTag(metric="loss", tag="val0/loss")
    )  # fmt: skip
    assert len(seen.mixed) == MOST_NAMES
    reader = folder_of(tmp_path, "train/loss")
    assert len(all_of(reader)) == 2
    assert reader.diagnosis() is None


def test_several_writers_in_one_folder_and_below(tmp_path: Path) -> None:
    write(tmp_path, "loss", [1.0, 2.0], suffix=".a")
    write(tmp_path, "acc", [0.5], suffix=".b")
    write(tmp_path / "deep" / "er", "lr", [0.1])
    points = all_of(folder_of(tmp_path, "loss", "acc", "lr"))
    assert (values(points, "loss"), values(points, "acc")) == ([1.0, 2.0], [0.5])
    assert values(points, "lr") == pytest.approx([0.1])


def scalar(value: float) -> bytes:
    return event("loss", TensorProto(dtype=1, float_val=[value]))


def changed(record: bytes, place: int) -> bytes:
    """With one bit that is another."""
    data = bytearray(record)
    data[place] ^= 1
    return bytes(data)


@pytest.mark.parametrize("place", [-1, HEADER])
def test_a_record_with_a_wrong_checksum_is_left_out_alone_and_counted(
    tmp_path: Path, place: int
) -> None:
    broken = changed(scalar(2.0), place)
    (tmp_path / "tfevents.1").write_bytes(scalar(1.0) + broken + scalar(3.0))
    reader = folder_of(tmp_path, "loss")
    assert values(all_of(reader), "loss") == [1.0, 3.0]
    assert all_of(reader) == []
    again = folder_of(tmp_path, "loss")
    again.restore(reader.state())
    assert all_of(again) == []
    assert reader.diagnosis() == again.diagnosis() == Diagnosis(broken=1)


def test_the_metrics_of_add_hparams_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", 0.5, 1)
        writer.add_hparams({"lr": 0.1, "depth": 3}, {"hparam/accuracy": 0.75, "best": 0.25})
    assert [one.name for one in tmp_path.iterdir() if one.is_dir()]
    wanted = ("loss", "hparam/accuracy", "best", "lr", "depth")
    reader = folder_of(tmp_path, *wanted)
    points = all_of(reader)
    found = [values(points, metric) for metric in wanted]
    assert found == [[0.5], [0.75], [0.25], [], []]


def test_a_wrong_length_ends_its_file_alone_and_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    (tmp_path / "tfevents.1").write_bytes(scalar(1.0) + changed(scalar(2.0), 0) + scalar(3.0))
    (tmp_path / "tfevents.2").write_bytes(scalar(4.0))
    (tmp_path / "tfevents.3").write_bytes(b"this is no record at all, though it is long enough")
    reader = folder_of(tmp_path, "loss")
    assert values(all_of(reader), "loss") == [1.0, 4.0]
    assert all_of(reader) == []
    assert reader.diagnosis() == Diagnosis(broken=2, files_cut=2)
    assert "tfevents.1 is not read beyond byte" in caplog.text
    assert "tfevents.3 is not read beyond byte 0" in caplog.text


def test_half_a_record_is_no_damage_and_waits(tmp_path: Path) -> None:
    file, reader = tmp_path / "tfevents.1", folder_of(tmp_path, "loss")
    file.write_bytes(scalar(1.0) + scalar(2.0)[:-3])
    assert values(all_of(reader), "loss") == [1.0]
    assert reader.diagnosis() is None
    with file.open("ab") as growing:
        growing.write(scalar(2.0)[-3:])
    assert [point.value for point in all_of(reader)] == [2.0]


LONGER = [scalar(n) for n in (4.0, 5.0, 6.0, 7.0, 8.0)]


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (b"".join(LONGER), [4.0, 5.0, 6.0, 7.0, 8.0]),
        (event("x", TensorProto(dtype=1)) + b"".join(LONGER), [4.0, 5.0, 6.0, 7.0, 8.0]),
        (LONGER[0], [4.0]),
        (scalar(1.0) + scalar(2.0) + LONGER[0], [1.0, 2.0, 4.0]),
    ],
    ids=["longer", "unaligned", "shorter", "equal to its last record"],
)
@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("restored", [False, True])
def test_a_file_that_was_written_anew_is_read_anew(
    tmp_path: Path, after: bytes, found: list[float], replace: bool, restored: bool
) -> None:
    file, reader = tmp_path / "tfevents.1", folder_of(tmp_path, "loss")
    file.write_bytes(scalar(1.0) + scalar(2.0) + scalar(3.0))
    first = reader.read()
    assert values(first, "loss") == [1.0, 2.0, 3.0]
    if replace:
        (tmp_path / "new").write_bytes(after)
        os.replace(tmp_path / "new", file)
    else:
        file.write_bytes(after)
    if restored:
        state, reader = reader.state(), folder_of(tmp_path, "loss")
        reader.restore(state)
    assert values(first + all_of(reader), "loss") == [1.0, 2.0, 3.0, *found]


def test_a_file_that_is_written_anew_for_ever_has_an_end(tmp_path: Path) -> None:
    file, reader, count = tmp_path / "tfevents.1", folder_of(tmp_path, "loss"), 0
    while count < 10:
        file.write_bytes(scalar(1.0 + count))
        if not reader.finish():
            break
        count += 1
    assert count == 1 + LAST_RESTARTS


def test_a_file_whose_damage_was_mended_is_read_anew(tmp_path: Path) -> None:
    file, reader = tmp_path / "tfevents.1", folder_of(tmp_path, "loss")
    file.write_bytes(b"no record, but some bytes")
    assert reader.read() == []
    file.write_bytes(scalar(1.0))
    assert values(all_of(reader), "loss") == [1.0]
    assert reader.diagnosis() is None


def test_a_reader_goes_on_where_one_of_an_earlier_version_was(tmp_path: Path) -> None:
    (tmp_path / "tfevents.1").write_bytes(scalar(1.0) + scalar(2.0))
    (tmp_path / "tfevents.2").write_bytes(scalar(3.0))
    reader = folder_of(tmp_path, "loss")
    places = {"tfevents.1": len(scalar(1.0)), "tfevents.2": -1}
    reader.restore(orjson.dumps([places, {"loss": 1}, {"loss": 0}]))
    assert [(point.step, point.value) for point in all_of(reader)] == [(2, 2.0)]


def test_a_record_that_is_too_long_is_passed_over_and_counted(tmp_path: Path) -> None:
    with (tmp_path / "tfevents.1").open("wb") as file:
        long = record(bytes(LONGEST))
        file.write(scalar(1.0) + long + scalar(2.0))
    reader = folder_of(tmp_path, "loss")
    assert values(all_of(reader), "loss") == [1.0, 2.0]
    assert reader.diagnosis() == Diagnosis(too_long=1)


def test_files_beyond_the_most_are_counted_and_those_known_stay(tmp_path: Path) -> None:
    for number in range(MOST_FILES):
        (tmp_path / f"tfevents.{number}").touch()
    reader = folder_of(tmp_path, "loss")
    assert reader.read() == []
    for number in range(3):
        (tmp_path / f"a.tfevents.{number}").write_bytes(scalar(1.0))
    (tmp_path / "tfevents.0").write_bytes(scalar(2.0))
    assert values(all_of(reader), "loss") == [2.0]
    assert reader.diagnosis() == Diagnosis(files_left_out=3)


def test_pipes_links_and_other_files_hold_nobody_up(tmp_path: Path) -> None:
    write(tmp_path / "outside", "loss", [1.0])
    (tmp_path / "logs").mkdir()
    os.mkfifo(tmp_path / "logs" / "tfevents.pipe")
    (tmp_path / "logs" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "logs" / "tfevents.link").symlink_to(next((tmp_path / "outside").iterdir()))
    (tmp_path / "logs" / "loop").symlink_to(tmp_path / "logs")
    (tmp_path / "logs" / "notes.txt").write_text("loss=1")
    assert all_of(folder_of(tmp_path / "logs", "loss")) == []


def test_a_folder_of_very_many_files_takes_bounded_time(tmp_path: Path) -> None:
    for folder in ("", "a", "b", "c"):
        (tmp_path / folder).mkdir(exist_ok=True)
        for number in range(4_000):
            (tmp_path / folder / f"tfevents.{number}").touch()
    reader, begin = folder_of(tmp_path, "loss"), time.process_time()
    assert all_of(reader) == []
    assert len(orjson.loads(reader.state())[0]) <= MOST_FILES
    assert time.process_time() - begin < 5


def test_a_file_of_many_scalars_is_read_in_parts_and_time_that_is_linear(tmp_path: Path) -> None:
    count = tiered(50_000)
    one = event("loss", TensorProto(dtype=1, float_val=[1.0]))
    (tmp_path / "tfevents").write_bytes(one * count)
    reader, points, begin = folder_of(tmp_path, "loss"), 0, time.process_time()
    while more := reader.finish():
        assert len(more) < 40_000
        points += len(more)
    assert points == count
    assert time.process_time() - begin < count / 10_000


def test_where_a_metric_is_missing_the_other_tags_are_named(tmp_path: Path) -> None:
    reader = folder_of(tmp_path / "none", "loss")
    assert all_of(reader) == []
    assert reader.diagnosis() == Diagnosis(absent=True)
    for number in range(MOST_NAMES + 1):
        write(tmp_path / "run" / str(number), f"tag{number}", [1.0])
    write(tmp_path / "run" / "last", "epoch_loss", [0.5])
    reader = folder_of(tmp_path / "run", "loss", "tag0")
    assert len(all_of(reader)) == 1
    found = reader.diagnosis()
    assert found is not None
    assert (found.others[0], len(found.others)) == ("epoch_loss", MOST_NAMES)
    reader = folder_of(tmp_path / "run", "tag0")
    assert all_of(reader)
    assert reader.diagnosis() is None


def test_event_files_without_a_scalar_are_empty(tmp_path: Path) -> None:
    file = tmp_path / "events.out.tfevents.1"
    file.write_bytes(event("loss", TensorProto(dtype=7)))
    reader = folder_of(tmp_path, "loss")
    assert all_of(reader) == []
    assert reader.diagnosis() == Diagnosis(empty=True)
    file.write_bytes(b"no record, but some bytes")
    assert all_of(reader) == []
    assert reader.diagnosis() == Diagnosis(broken=1, files_cut=1)
