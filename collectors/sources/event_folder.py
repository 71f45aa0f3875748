"""Read the scalars of TensorBoard's event files in a folder as they grow."""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePosixPath

import orjson

from collectors.parsers.event_records import Scalar
from collectors.parsers.explanation import likeness
from collectors.parsers.reading import seconds
from collectors.sources.event_file import EventFile
from collectors.sources.tail import MAX_POINTS
from collectors.sources.watch import Unwatched
from events.diagnosis import MOST_NAMES, Diagnosis
from events.metrics import Point
from events.model import LARGEST_INT32

MOST_FILES, MOST_ENTRIES, DEEPEST = 1_000, 10_000, 8
"""Files that are read, entries of folders that are looked at for them, and levels of folders."""
FEW_FILES, FEW_RECORDS = 10, 200
"""That are looked at once more where metrics are missing."""
WALK_SECONDS = 0.2
"""Between two looks for what is new below a folder."""
MARK = "tfevents"


class EventFolder:
    """The points of all event files below a folder, each file from its first to its last whole
    record.

    A metric is a tag, or folder and tag (`train/accuracy`), or what Katib takes for it: a tag that
    begins with the last part of the metric, in a folder that ends with the others. Where several
    of these are there, only the first kind counts from then on. `step` counts the reports of each
    metric from 1. Records that are damaged are left out, and counted.
    """

    def __init__(self, folder: Path, metrics: Sequence[str], clock: Callable[[], datetime]) -> None:
        self._folder = folder
        self._metrics = metrics
        self._clock = clock
        self.files: dict[str, EventFile] = {}
        """Those that were looked at, by name."""
        self._steps: Counter[str] = Counter()
        self._ranks: dict[str, int] = {}
        """By metric: the best kind of match so far."""
        self._finishing = False

    def read(self) -> list[Point]:
        """The points of whole records that came since the last call, some MAX_POINTS at most.

        Raises OSError if the system fails to read.
        """
        points: list[Point] = []
        for name in self._names()[0]:
            if len(points) < MAX_POINTS:
                points += self._read_file(name)
        return points

    def finish(self) -> list[Point]:
        """As `read`, once nobody writes any more: what is half a record in the end is no record."""
        self._finishing = True
        while True:
            before = self._sizes()
            if points := self.read():
                return points
            if self._sizes() == before and not self._begin_anew():
                return []

    def diagnosis(self) -> Diagnosis | None:
        """What was left out; and if metrics are missing, which other tags there are, by some
        records of a few files."""
        names, left_out = self._names()
        files = self.files.values()
        seen = Diagnosis(
            broken=min(sum(file.broken for file in files), LARGEST_INT32),
            files_cut=sum(file.ended for file in files),
            too_long=min(sum(file.too_long for file in files), LARGEST_INT32),
            files_left_out=left_out,
        )
        missing = [metric for metric in self._metrics if not self._steps[metric]]
        if not missing:
            return None if seen == Diagnosis() else seen
        tags = dict.fromkeys(tag for name in names[:FEW_FILES] for tag in self._tags(name))
        others = sorted(tags, key=lambda tag: likeness(missing, f"{tag}=0"), reverse=True)
        found = tuple(others[:MOST_NAMES])
        empty = bool(names) and not (found or seen.warns)
        return seen.model_copy(update={"absent": not names, "empty": empty, "others": found})

    def texts(self) -> dict[str, str]:
        """Event files hold numbers alone."""
        return {}

    def _tags(self, name: str) -> set[str]:
        """Tags of the first records that are no wanted metric."""
        try:
            found = EventFile().read(self._folder / name, FEW_RECORDS)
        except OSError:
            return set()
        return {scalar.tag for scalar in found} - set(self._metrics)

    def state(self) -> bytes:
        """How far was read, for `restore`."""
        files = {name: file.state() for name, file in self.files.items()}
        return orjson.dumps([files, self._steps, self._ranks])

    def restore(self, state: bytes) -> None:
        """Continue where another reader of the same folder was."""
        files, steps, self._ranks = orjson.loads(state)
        self.files = {name: EventFile.of(one, self._folder / name) for name, one in files.items()}
        self._steps = Counter(steps)

    def watching(self, changed: Callable[[], None]) -> AbstractContextManager[Unwatched]:
        """Nothing tells of new files below a folder: it is looked at again and again."""
        return nullcontext(Unwatched(WALK_SECONDS))

    def _names(self) -> tuple[list[str], int]:
        """The files that are read, those that are known before all others, and how many further
        ones there are."""
        found = sorted(os.path.relpath(path, self._folder) for path in _files(self._folder))
        known = [name for name in found if name in self.files]
        new = [name for name in found if name not in self.files]
        chosen = [*known, *new][:MOST_FILES]
        return sorted(chosen), len(found) - len(chosen)

    def _sizes(self) -> dict[str, int]:
        return {name: file.part.size for name, file in self.files.items()}

    def _begin_anew(self) -> bool:
        """Begin anew with the files that, by a close look, were written anew; are there some?"""
        changed = [
            file for name, file in self.files.items() if file.is_changed(self._folder / name)
        ]
        begun = [file for file in changed if file.begin_anew(finishing=True)]
        return bool(begun)

    def _read_file(self, name: str) -> list[Point]:
        folder = "" if "/" not in name else PurePosixPath(name).parent.as_posix()
        file = self.files.setdefault(name, EventFile())
        found = file.read(self._folder / name, finishing=self._finishing)
        return list(self._points(folder, found))

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
