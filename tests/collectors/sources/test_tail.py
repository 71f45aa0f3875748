"""A growing file gives each report once, however its bytes arrive, in bounded memory."""

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.limits import MAX_LINE
from collectors.parsers.text import Text
from collectors.sources.tail import MAX_POINTS, Tail
from events.metrics import Point
from tests.tiers import tiered

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def tail(path: Path, metrics: Sequence[str] = ("loss", "acc")) -> Tail:
    return Tail(path, Text(metrics), lambda: NOON)


def all_of(reader: Tail) -> list[Point]:
    points: list[Point] = []
    while more := reader.finish():
        points += more
    return points


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_reads_only_complete_lines_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    reader = tail(path)
    assert reader.read() == []
    append(path, b"loss=1\nloss=2")
    assert reader.read() == [Point("loss", 1, NOON, 1.0)]
    assert reader.read() == []
    append(path, b"5\nacc=1\nloss=3")
    assert reader.read() == [Point("loss", 2, NOON, 25.0), Point("acc", 1, NOON, 1.0)]
    assert reader.finish() == [Point("loss", 3, NOON, 3.0)]
    assert reader.finish() == []


def test_a_missing_file_has_nothing(tmp_path: Path) -> None:
    assert tail(tmp_path / "none").finish() == []


def test_progress_bars_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"10% loss=3\r20% loss=2\r\n30% loss=1\r")
    assert [(p.step, p.value) for p in tail(path).read()] == [(1, 3.0), (2, 2.0), (3, 1.0)]


def test_invalid_utf8_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"\xff\xfe loss=1 \xc3\n\x00loss=2\n")
    assert [p.value for p in tail(path).read()] == [1.0, 2.0]


def test_the_time_of_the_line_goes_before_the_clock(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"2024-01-02T00:00:00Z loss=1\nloss=2\n")
    assert [p.at for p in tail(path).read()] == [datetime(2024, 1, 2, tzinfo=UTC), NOON]


def test_a_clock_that_is_set_back_makes_no_report_older(tmp_path: Path) -> None:
    """Or the latest value would be that of a line before."""
    path = tmp_path / "log"
    path.write_bytes(b"loss=1\n")
    noon_and_earlier = iter([NOON, NOON - timedelta(hours=1), NOON + timedelta(hours=1)])
    reader = Tail(path, Text(["loss"]), lambda: next(noon_and_earlier))
    times = [point.at for point in reader.read()]
    append(path, b"loss=2\n")
    times += [point.at for point in reader.read()]
    append(path, b"loss=3\n")
    again = Tail(path, Text(["loss"]), lambda: NOON - timedelta(hours=2))
    again.restore(reader.state())
    times += [point.at for point in [*reader.read(), *again.read()]]
    assert times == [NOON, NOON, NOON + timedelta(hours=1), NOON]


def test_a_call_returns_a_bounded_number_of_points(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"loss=1 " * (MAX_LINE // 7) + b"\n" + b"loss=2\n" * 7000)
    reader = tail(path)
    sizes = []
    points: list[Point] = []
    while more := reader.finish():
        sizes.append(len(more))
        points += more
    assert max(sizes) == MAX_POINTS
    assert [p.step for p in points] == list(range(1, MAX_LINE // 7 + 7001))


def test_finish_goes_on_where_a_megabyte_has_no_metric(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"chatter\n" * 400_000 + b"loss=1")
    assert [p.value for p in tail(path).finish()] == [1.0]


def test_a_file_started_anew_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"loss=1\nloss=2\nlo")
    reader = tail(path)
    reader.read()
    path.write_bytes(b"loss=3\n")
    assert reader.read() == [Point("loss", 3, NOON, 3.0)]


def written_over(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def replaced(path: Path, data: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(data)
    new.replace(path)


def removed_and_made_again(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


@pytest.mark.parametrize("write", [written_over, replaced, removed_and_made_again])
@pytest.mark.parametrize("looks", [True, False])
@pytest.mark.parametrize("lines", [1, 10, 100_000])
@pytest.mark.parametrize("restored", [True, False])
def test_a_file_written_anew_is_read_from_its_start_whatever_its_length(
    tmp_path: Path, write: Callable[[Path, bytes], None], looks: bool, lines: int, restored: bool
) -> None:
    """Each epoch writes the whole file, with a header that stays and a line that does not; somebody
    looks at it after each, or only in the end."""
    path, header = tmp_path / "metrics", b"# what this is\n" * lines
    for values in ([b"loss=0.9"], [b"loss=0.5"], [b"loss=0.50", b"loss=0.4"], [b"loss=0.3"]):
        write_first = write if path.exists() else written_over
        write_first(path, header + b"\n".join(values) + b"\n")
        if values == [b"loss=0.9"]:
            reader = tail(path)
            points = [point for _ in range(9) for point in reader.read()]
        elif looks and (write is replaced or lines < 50):
            points += [point for _ in range(9) for point in reader.read()]
            assert points[-1].value == float(values[-1].removeprefix(b"loss=")), "seen at once"
        if restored:
            state = reader.state()
            reader = tail(path)
            reader.restore(state)
    points += all_of(reader)
    assert points[0].value == 0.9
    assert points[-1].value == 0.3
    assert [point.step for point in points] == list(range(1, len(points) + 1))


def test_a_file_that_was_replaced_by_its_own_continuation_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    path.write_bytes(b"loss=1\nloss=2\n")
    reader = tail(path)
    assert len(reader.read()) == 2
    replaced(path, b"loss=1\nloss=2\nloss=3\n")
    assert all_of(reader) == [Point("loss", 3, NOON, 3.0)]


def test_only_the_beginning_of_a_long_line_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"loss=1 " + b"x" * MAX_LINE + b" loss=2\nloss=3\n")
    assert [p.value for p in tail(path).read()] == [1.0, 3.0]


def test_fifty_megabytes_without_a_line_end_stay_small(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.write(b"loss=1 ")
        for _ in range(50):
            file.write(b"x" * 1024 * 1024)
        file.write(b"\nloss=2\n")
    tracemalloc.start()
    try:
        values = [p.value for p in all_of(tail(path))]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert values == [1.0, 2.0]
    assert peak < 5 * 1024 * 1024


PIECES = st.lists(
    st.sampled_from(
        [b"loss=1", b"acc=.5", b"loss=nan ", b"\n", b"\r", b"\r\n", b" ", "é".encode(), b"\xff"]
    )
    | st.binary(max_size=8),
    max_size=40,
)


@settings(max_examples=tiered(200))
@given(PIECES.map(b"".join), st.lists(st.integers(min_value=0, max_value=200), max_size=8))
def test_any_chunking_gives_the_same_points(data: bytes, cuts: list[int]) -> None:
    with TemporaryDirectory() as folder:
        whole, pieces = Path(folder, "whole"), Path(folder, "pieces")
        whole.write_bytes(data)
        reader = tail(pieces)
        points: list[Point] = []
        places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
        for begin, end in pairwise(places):
            append(pieces, data[begin:end])
            points += reader.read()
        points += all_of(reader)
        assert repr(points) == repr(all_of(tail(whole)))


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop"])
def test_what_is_no_regular_file_has_nothing_and_holds_nobody_up(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "log"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path)
    reader = tail(path)
    assert reader.read() == []
    assert reader.finish() == []


def test_a_link_to_a_file_beside_it_is_read(tmp_path: Path) -> None:
    append(tmp_path / "there", b"loss=1\n")
    (tmp_path / "log").symlink_to(tmp_path / "there")
    assert tail(tmp_path / "log").read() == [Point("loss", 1, NOON, 1.0)]


READ_IT_ALL = """
import sys
from pathlib import Path
from tests.collectors.sources.test_tail import all_of, tail

reader = tail(Path(sys.argv[1]))
seen = [point for _ in range(3) for point in reader.read()]
print([point.value for point in [*seen, *all_of(reader)]])
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="only Linux has such files")
def test_a_file_of_size_nought_with_content_is_read_once() -> None:
    """In a process of its own, which is ended if it does not end."""
    ran = subprocess.run(
        [sys.executable, "-c", READ_IT_ALL, "/proc/self/environ"],
        env={**os.environ, "A": "1\nloss=0.5\n"},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert ran.stdout == "[0.5]\n"


def test_a_file_that_is_still_written_anew_after_the_end_comes_to_an_end(tmp_path: Path) -> None:
    path, values = tmp_path / "metrics", count()

    def write_anew() -> datetime:
        path.write_bytes(b"loss=%d\n" % next(values))
        return NOON

    write_anew()
    reader = Tail(path, Text(["loss"]), write_anew)
    read = [reader.finish() for _ in range(20)]
    assert len(read[0]) == 1
    assert read[-1] == []
