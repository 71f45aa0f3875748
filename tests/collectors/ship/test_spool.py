"""The spool keeps its order and its bound, and with the place it was read to it outlives the
process that fed it."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.parsers.text import Text
from collectors.ship.spool import Spool
from collectors.sources.tail import MAX_POINTS, Tail
from events.bus import Record
from events.metrics import Point

WRITER = """
import sys, pathlib
from collectors.ship.spool import Spool
from events.bus import Record

spool = Spool(pathlib.Path(sys.argv[1]), "metrics", 3, b"key", 10**6)
for n in range(10**9):
    spool.add([Record("metrics", 3, b"key", (), b"%d" % n)], b"state %d" % n)
    print(n, flush=True)
"""


def opened(folder: Path, limit: int = 1000) -> Spool:
    return Spool(folder, "metrics", 3, b"key", limit)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    one = opened(tmp_path)
    yield one
    one.close()


def record(value: bytes) -> Record:
    return Record("metrics", 3, b"key", (("id", b"\x00\xff"), ("type", b"metrics.reported")), value)


def values(spool: Spool, limit: int = 100) -> list[bytes]:
    return [found.value for _, found in spool.oldest(limit)]


def test_the_oldest_come_first_and_as_they_were_given(spool: Spool) -> None:
    assert spool.state() is None
    assert spool.oldest(5) == []
    spool.add([record(b"one"), record(b"two")], b"at two")
    spool.add([record(b"three")], b"at three")
    assert spool.state() == b"at three"
    assert [found for _, found in spool.oldest(2)] == [record(b"one"), record(b"two")]
    spool.drop(spool.oldest(2)[-1][0])
    assert values(spool) == [b"three"]
    assert spool.state() == b"at three"


def test_what_is_added_between_a_look_and_a_drop_stays(spool: Spool) -> None:
    spool.add([record(b"one")], b"1")
    ((number, _),) = spool.oldest(5)
    spool.add([record(b"two")], b"2")
    spool.drop(number)
    assert values(spool) == [b"two"]


def test_an_emptied_spool_keeps_its_order(spool: Spool) -> None:
    """Numbers begin again in an empty table; whoever drops must not reach what came later."""
    spool.add([record(b"one")], b"1")
    spool.drop(spool.oldest(1)[0][0])
    spool.add([record(b"two"), record(b"three")], b"2")
    assert values(spool) == [b"two", b"three"]


def test_room_ends_at_the_bound_and_comes_back(tmp_path: Path) -> None:
    spool = opened(tmp_path, limit=10)
    spool.add([record(b"12345"), record(b"6789")], b"")
    assert spool.has_room
    spool.add([record(b"0")], b"")
    assert not spool.has_room
    spool.close()
    again = opened(tmp_path, limit=10)
    assert not again.has_room
    again.drop(again.oldest(1)[-1][0])
    assert again.has_room
    assert values(again) == [b"6789", b"0"]
    again.close()


def test_what_was_added_outlives_a_kill(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as writer:
        assert writer.stdout
        while int(writer.stdout.readline()) < 200:
            pass
        writer.kill()
        told = max([int(line) for line in writer.stdout.read().split(b"\n")[:-1] if line] or [200])
    spool = opened(tmp_path)
    found = values(spool, 10**6)
    assert found == [b"%d" % n for n in range(len(found))]
    assert len(found) > told
    assert spool.state() == b"state %d" % (len(found) - 1)
    spool.close()


def test_only_its_owner_sees_it(tmp_path: Path) -> None:
    opened(tmp_path / "deep" / "spool").close()
    assert (tmp_path / "deep" / "spool").stat().st_mode & 0o077 == 0


CHUNKS = st.lists(
    st.text("ab=01.\n\r \u00e9l", max_size=12).map(str.encode) | st.just(b"a=1 b=2\nb=0\ra=3"),
    max_size=8,
)


@given(CHUNKS, st.data())
def test_a_tail_restored_at_any_moment_goes_on(chunks: list[bytes], data: st.DataObject) -> None:
    """Bytes are cut anywhere, also inside a character; some moments make another reader of the same
    file."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "log")
        path.write_bytes(b"".join(chunks))
        whole = points(tail(path))
        path.write_bytes(b"")
        reader, found = tail(path), []
        for chunk in chunks:
            with path.open("ab") as file:
                file.write(chunk)
            if data.draw(st.booleans()):
                found += reader.read()
            if data.draw(st.booleans()):
                state, reader = reader.state(), tail(path)
                reader.restore(state)
        assert found + points(reader) == whole


def test_a_tail_restored_with_more_than_one_read_keeps_what_was_not_given(tmp_path: Path) -> None:
    """One line may report more than a read returns."""
    path = tmp_path / "log"
    path.write_text(
        "".join(f"a={n} " for n in range(MAX_POINTS // 2)) + "\n" + "a=0\n" * MAX_POINTS + "b=1"
    )
    reader, found, whole = tail(path), [], points(tail(path))
    while more := reader.finish():
        found += more
        state, reader = reader.state(), tail(path)
        reader.restore(state)
    assert found == whole
    assert len(whole) == MAX_POINTS // 2 + MAX_POINTS + 1


def tail(path: Path) -> Tail:
    return Tail(path, Text(("a", "b")), lambda: datetime(2024, 1, 1, 12, tzinfo=UTC))


def points(reader: Tail) -> list[Point]:
    found: list[Point] = []
    while more := reader.finish():
        found += more
    return found
