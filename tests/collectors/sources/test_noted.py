"""Whoever reads on after a kill loses and doubles nothing, at whatever moment it came."""

import math
import os
from pathlib import Path

import pytest

from collectors.sources.noted import LEAST_BYTES, Noted
from collectors.sources.registry import source_for
from events.clock import now
from events.spec.collector import MetricsCollectorSpec
from tests.collectors.storing import Stored

FILE = MetricsCollectorSpec.model_validate_json(
    '{"collector": {"kind": "File"}, "source": {"fileSystemPath": {"path": "/m", "kind": "File"}}}'
)


class Site:
    """An attempt's folder, with the one file that its trial replaces, and what is stored of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file, self.stored = folder, folder / "metrics", Stored()

    def replace(self, text: str) -> None:
        part = self.folder / "part"
        part.write_text(f"{text}\n")
        part.replace(self.file)

    def reader(self, epoch: int) -> Noted:
        source = source_for(FILE, ["loss"], self.file, now)
        return Noted(source, self.folder, epoch, self.stored.last_steps)

    def read_to_the_end(self, reader: Noted) -> list[float]:
        """All values that are stored then."""
        while points := reader.finish():
            self.stored.add(points)
        values = self.stored.values()
        assert [step for step, _ in values] == list(range(1, len(values) + 1))
        return [value for _, value in values]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize("stored", [0, 1, 2], ids=["nothing", "the first", "all"])
def test_killed_with_so_much_stored_of_what_it_returned(site: Site, stored: int) -> None:
    reader, returned = site.reader(1), []
    for value in (0.9, 0.5):
        site.replace(f"loss={value}")
        returned.append(reader.read())
    for points in returned[:stored]:
        site.stored.add(points)
    site.replace("loss=0.3")
    assert site.read_to_the_end(site.reader(2)) == [0.9, 0.5, 0.3]


def test_killed_twice_before_anything_is_stored(site: Site) -> None:
    """The second has returned what is again, and what is new; neither has come anywhere."""
    site.replace("loss=0.9")
    site.reader(1).read()
    site.replace("loss=0.5")
    second = site.reader(2)
    second.read()
    assert len(second.read()) == 1
    site.replace("loss=0.3")
    assert site.read_to_the_end(site.reader(3)) == [0.9, 0.5, 0.3]
    assert [one.name for one in site.folder.glob("noted.*")] == ["noted.3"]


@pytest.mark.parametrize("missing", [1, 20])
def test_killed_while_it_wrote_a_note(site: Site, missing: int) -> None:
    """So many bytes were missing: its points have not been returned, and are read again."""
    site.replace("loss=0.9")
    killed, notes = site.reader(1), site.folder / "noted.1"
    site.stored.add(killed.read())
    site.replace("loss=0.5")
    killed.read()
    os.truncate(notes, notes.stat().st_size - missing)
    for value in (0.5, 0.3):
        site.replace(f"loss={value}")
        reader = site.reader(1)
        reader.read()
        reader.read()
    assert site.read_to_the_end(site.reader(1)) == [0.9, 0.5, 0.3]


def test_an_owner_that_was_frozen_and_wakes_up_spoils_nothing(site: Site) -> None:
    frozen = site.reader(1)
    site.replace("loss=0.9")
    site.stored.add(frozen.read())
    owner = site.reader(2)
    site.replace("loss=0.5\nloss=0.4")
    while points := owner.read():
        site.stored.add(points)
    site.replace("loss=0.6")
    assert frozen.read()  # what it sends then is refused: its epoch is over
    site.replace("loss=0.3")
    assert site.read_to_the_end(site.reader(3)) == [0.9, 0.5, 0.4, 0.3]


def test_what_cannot_be_noted_is_not_returned_and_not_lost(site: Site) -> None:
    site.replace("loss=0.9")
    reader, place = site.reader(1), site.folder / "noted.1"
    place.mkdir()
    with pytest.raises(IsADirectoryError):
        reader.read()
    site.replace("loss=0.5")
    with pytest.raises(IsADirectoryError):
        reader.finish()
    place.rmdir()
    assert site.read_to_the_end(reader) == [0.9, 0.5]


def test_the_file_stays_small_as_long_as_points_are_stored(site: Site) -> None:
    reader, largest = site.reader(1), 0
    for number in range(1, 300):
        site.replace(f"loss={number}")
        site.stored.add(reader.read())
        largest = max(largest, os.path.getsize(site.folder / "noted.1"))
    assert LEAST_BYTES // 2 < largest <= LEAST_BYTES
    assert site.read_to_the_end(site.reader(2)) == list(range(1, 300))


def test_all_is_returned_again_of_which_nothing_was_stored(site: Site) -> None:
    """More than the file is appended to, and not a number among it."""
    reader = site.reader(1)
    for number in range(1, 300):
        site.replace(f"loss={number}")
        reader.read()
    site.replace("loss=nan")
    assert math.isnan(reader.read()[0].value)
    *values, last = site.read_to_the_end(site.reader(2))
    assert values == list(range(1, 300))
    assert math.isnan(last)
