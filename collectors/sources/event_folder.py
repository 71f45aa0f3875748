"""Read the scalars of TensorBoard's event files in a folder as they grow."""

import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import orjson

from collectors.parsers.event_records import (
    HEADER,
    LONGEST,
    BrokenRecordError,
    Scalar,
    record_size,
    scalars,
)
from collectors.parsers.explanation import likeness
from collectors.parsers.reading import seconds
from collectors.sources.tail import MAX_BYTES, MAX_POINTS
from collectors.sources.watch import Unwatched
from events.diagnosis import MOST_NAMES, Diagnosis
from events.metrics import Point
from events.regular_file import NOTHING_THERE, open_regular

MOST_FILES, MOST_ENTRIES, DEEPEST = 1_000, 10_000, 8
"""Files that are read, entries of folders that are looked at for them, and levels of folders."""
FEW_FILES, FEW_RECORDS = 10, 200
"""That are looked at once more where metrics are missing."""
WALK_SECONDS = 0.2
"""Between two looks for what is new below a folder."""
MARK = "tfevents"
_BROKEN = -1
_log = logging.getLogger(__name__)


class EventFolder:
    """The points of all event files below a folder, each file from its first to its last whole
    record.

    A metric is a tag, or folder and tag (`train/accuracy`), or what Katib takes for it: a tag that
    begins with the last part of the metric, in a folder that ends with the others. Where several
    of these are there, only the first kind counts from then on. `step` counts the reports of each
    metric from 1. What is no record ends the reading of its file, which is said in the log.
    """

    def __init__(self, folder: Path, metrics: Sequence[str], clock: Callable[[], datetime]) -> None:
        self._folder = folder
        self._metrics = metrics
        self._clock = clock
        self._places: dict[str, int] = {}
        """By file: how much was read of it, or _BROKEN."""
        self.broken: dict[str, int] = {}
        """By file that is read no further, as far as this reader has met it: how much was read."""
        self._steps: Counter[str] = Counter()
        self._ranks: dict[str, int] = {}
        """By metric: the best kind of match so far."""

    def read(self) -> list[Point]:
        """The points of whole records that came since the last call, some MAX_POINTS at most.

        Raises OSError if the system fails to read.
        """
        points: list[Point] = []
        for name in self._names():
            if len(points) < MAX_POINTS and self._places.get(name) != _BROKEN:
                points += self._read_file(name)
        return points

    def finish(self) -> list[Point]:
        """As `read`, once nobody writes any more: what is half a record in the end is no record."""
        while True:
            before = dict(self._places)
            if (points := self.read()) or self._places == before:
                return points

    def diagnosis(self) -> Diagnosis | None:
        """Which other tags there are, by some records of a few files, if metrics are missing."""
        missing = [metric for metric in self._metrics if not self._steps[metric]]
        if not missing:
            return None
        names = self._names()
        tags = dict.fromkeys(tag for name in names[:FEW_FILES] for tag in self._tags(name))
        others = sorted(tags, key=lambda tag: likeness(missing, f"{tag}=0"), reverse=True)
        found = tuple(others[:MOST_NAMES])
        return Diagnosis(absent=not names, empty=bool(names) and not found, others=found)

    def texts(self) -> dict[str, str]:
        """Event files hold numbers alone."""
        return {}

    def _tags(self, name: str) -> set[str]:
        """Tags of the first records that are no wanted metric."""
        try:
            with open_regular(self._folder / name) as file:
                records = islice(_records(file, 0), FEW_RECORDS)
                tags = {scalar.tag for _, found in records for scalar in found}
        except (BrokenRecordError, OSError):
            return set()
        return tags - set(self._metrics)

    @property
    def files(self) -> Collection[str]:
        """Those that were looked at."""
        return self._places.keys()

    def state(self) -> bytes:
        """How far was read, for `restore`."""
        return orjson.dumps([self._places, self._steps, self._ranks])

    def restore(self, state: bytes) -> None:
        """Continue where another reader of the same folder was."""
        self._places, steps, self._ranks = orjson.loads(state)
        self._steps = Counter(steps)

    def watching(self, changed: Callable[[], None]) -> AbstractContextManager[Unwatched]:
        """Nothing tells of new files below a folder: it is looked at again and again."""
        return nullcontext(Unwatched(WALK_SECONDS))

    def _names(self) -> list[str]:
        found = (os.path.relpath(path, self._folder) for path in _files(self._folder))
        return sorted(islice(found, MOST_FILES))

    def _read_file(self, name: str) -> list[Point]:
        points: list[Point] = []
        place = self._places.get(name, 0)
        folder = "" if "/" not in name else PurePosixPath(name).parent.as_posix()
        try:
            with open_regular(self._folder / name) as file:
                for size, found in _records(file, place):
                    place += size
                    points += self._points(folder, found)
        except BrokenRecordError as error:
            _log.warning("%s is not read beyond byte %d: %s", self._folder / name, place, error)
            self.broken[name], place = place, _BROKEN
        except OSError as error:
            if error.errno not in NOTHING_THERE:
                raise
        self._places[name] = place
        return points

    def _points(self, folder: str, found: Sequence[Scalar]) -> Iterator[Point]:
        for scalar in found:
            for metric in self._metrics:
                fit = rank(metric, folder, scalar.tag)
                if fit is not None and fit <= self._ranks.get(metric, fit):
                    self._ranks[metric] = fit
                    self._steps[metric] += 1
                    at = seconds(scalar.wall_time) or self._clock()
                    yield Point(metric, self._steps[metric], at, scalar.value)


@lru_cache(maxsize=10_000)
def rank(metric: str, folder: str, tag: str) -> int | None:
    """How well a tag in a file of this folder fits the metric, the best first; None if not."""
    if tag == metric:
        return 0
    if f"{folder}/{tag}" == metric:
        return 1
    above, _, last = metric.rpartition("/")
    return 2 if tag.startswith(last) and folder.endswith(above) else None


def _files(root: Path) -> Iterator[str]:
    """The event files below a folder, as far as MOST_ENTRIES entries show; links are not
    followed."""
    folders, left = deque([(root, DEEPEST)]), MOST_ENTRIES
    while folders and left > 0:
        folder, depth = folders.popleft()
        try:
            with os.scandir(folder) as found:
                entries = list(islice(found, left))
        except OSError:  # it is not there yet, or not any more
            continue
        left -= len(entries)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if depth > 1:
                    folders.append((Path(entry.path), depth - 1))
            elif MARK in entry.name and entry.is_file(follow_symlinks=False):
                yield entry.path


def _records(file: BinaryIO, place: int) -> Iterator[tuple[int, list[Scalar]]]:
    """Sizes and scalars of the whole records from `place` on, as far as one look goes."""
    end = os.fstat(file.fileno()).st_size
    file.seek(place)
    data, first = file.read(MAX_BYTES), 0
    while len(data) - first >= HEADER:
        size = record_size(data[first : first + HEADER])
        if size > LONGEST:
            if place + first + size <= end:
                yield size, []
            return
        if first + size > len(data):
            data, first = data[first:] + file.read(size), 0
            if size > len(data):
                return
        yield size, scalars(data[first : first + size])
        first += size
