"""Read the scalars of TensorBoard's event files in a folder as they grow."""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import orjson

from collectors.parsers.event_records import Scalar
from collectors.parsers.explanation import likeness
from collectors.parsers.reading import seconds
from collectors.sources.below import entries_below
from collectors.sources.event_file import EventFile
from collectors.sources.sample import absence
from collectors.sources.tail import MAX_POINTS
from collectors.sources.watch import Unwatched
from events.diagnosis import MOST_NAMES, Diagnosis, ReadTag
from events.metrics import Point
from events.model import LARGEST_INT32

MOST_FILES, MOST_ENTRIES, DEEPEST = 1_000, 10_000, 8
"""Files that are read, entries of folders that are looked at for them, and levels of folders."""
FEW_FILES, FEW_RECORDS = 10, 200
"""That are looked at once more where metrics are missing."""
WALK_SECONDS = 0.2
"""Between two looks for what is new below a folder."""
MARK = "tfevents"
_LIKE = 2
"""The rank of a tag that is only like a metric, as Katib has it."""


class EventFolder:
    """The points of all event files below a folder, each file from its first to its last whole
    record.

    A metric is a tag, or folder and tag (`train/accuracy`), or what Katib takes for it: a tag that
    begins with the last part of the metric, in a folder that ends with the others. Where several
    of these are there, only the first kind counts from then on. `path` is what the program calls
    the folder. `step` counts the reports of each metric from 1. Records that are damaged are left
    out, and counted.
    """

    def __init__(
        self,
        folder: Path,
        metrics: Sequence[str],
        clock: Callable[[], datetime],
        path: str = "",
        *,
        below: Path | None = None,
    ) -> None:
        """`below`: the folder out of which no link may lead; `folder` unless given."""
        self._folder = folder
        self._below = below or folder
        self._path = path.rstrip("/")
        self._metrics = tuple(metrics)
        self._clock = clock
        self.files: dict[str, EventFile] = {}
        """Those that were looked at, by name."""
        self._steps: Counter[str] = Counter()
        self._ranks: dict[str, int] = {}
        """By metric: the best kind of match so far."""
        self._tags: dict[str, dict[str, int]] = {}
        """By metric: some of the tags, after their folders, that its values have, and which kind of
        match each is."""
        self._finishing = False

    def read(self) -> list[Point]:
        """The points of whole records that came since the last call, some MAX_POINTS at most.

        Raises OSError if the system fails to read.
        """
        looks: list[Look] = []
        for name in self._names()[0]:
            if sum(len(look.scalars) for look in looks) < MAX_POINTS:
                try:
                    looks += self._look_at(name)
                except OSError:
                    if not looks:
                        raise
                    break  # what was read until now is returned first
        for look in looks:  # first, so that the order of what came does not matter
            for metric, fit in chain.from_iterable(look.fitting.values()):
                self._ranks[metric] = min(fit, self._ranks.get(metric, fit))
        return [point for look in looks for point in self._points(look)]

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
            mixed=tuple(self._mixed())[:MOST_NAMES],
        )
        missing = [metric for metric in self._metrics if not self._steps[metric]]
        if not missing:
            return None if seen == Diagnosis() else seen
        tags = dict.fromkeys(tag for name in names[:FEW_FILES] for tag in self._first_tags(name))
        others = sorted(tags, key=lambda tag: likeness(missing, f"{tag}=0"), reverse=True)
        found = tuple(others[:MOST_NAMES])
        empty = bool(names) and not (found or seen.warns)
        where = {} if names else self._absence()
        return seen.model_copy(update={"empty": empty, "others": found, **where})

    def _absence(self) -> dict[str, Any]:
        """What is to be said where there is no event file."""
        try:
            with entries_below(self._below, self._folder):
                return {"absent": True}
        except OSError as error:
            return absence(error, self._below)

    def texts(self) -> dict[str, str]:
        """Event files hold numbers alone."""
        return {}

    def _first_tags(self, name: str) -> set[str]:
        """Tags of the first records that are no wanted metric."""
        try:
            found = EventFile().read(self._below, self._folder / name, FEW_RECORDS)
        except OSError:
            return set()
        return {scalar.tag for scalar in found} - set(self._metrics)

    def state(self) -> bytes:
        """How far was read, for `restore`."""
        files = {name: file.state() for name, file in self.files.items()}
        return orjson.dumps([files, self._steps, self._ranks, self._tags])

    def restore(self, state: bytes) -> None:
        """Continue where another reader of the same folder was."""
        files, steps, self._ranks, *tags = orjson.loads(state)
        self._tags = tags[0] if tags else {}  # an earlier version did not keep them
        self.files = {
            name: EventFile.of(one, self._below, self._folder / name) for name, one in files.items()
        }
        self._steps = Counter(steps)

    def watching(self, changed: Callable[[], None]) -> AbstractContextManager[Unwatched]:
        """Nothing tells of new files below a folder: it is looked at again and again."""
        return nullcontext(Unwatched(WALK_SECONDS))

    def _names(self) -> tuple[list[str], int]:
        """The files that are read, those that are known before all others, and how many further
        ones there are."""
        found = sorted(_files(self._folder, self._below))
        known = [name for name in found if name in self.files]
        new = [name for name in found if name not in self.files]
        chosen = [*known, *new][:MOST_FILES]
        return sorted(chosen), len(found) - len(chosen)

    def _sizes(self) -> dict[str, int]:
        return {name: file.part.size for name, file in self.files.items()}

    def _begin_anew(self) -> bool:
        """Begin anew with the files that, by a close look, were written anew; are there some?"""
        changed = [
            file
            for name, file in self.files.items()
            if file.is_changed(self._below, self._folder / name)
        ]
        begun = [file for file in changed if file.begin_anew(finishing=True)]
        return bool(begun)

    def _look_at(self, name: str) -> list["Look"]:
        """What is new in a file, if it has something for a metric."""
        folder = "" if "/" not in name else PurePosixPath(name).parent.as_posix()
        file = self.files.setdefault(name, EventFile())
        found = file.read(self._below, self._folder / name, finishing=self._finishing)
        return [look] if (look := self._look(folder, found)).scalars else []

    def _look(self, folder: str, found: Sequence[Scalar]) -> "Look":
        tags = dict.fromkeys(scalar.tag for scalar in found)
        fitting = {tag: fits(self._metrics, self._path, folder, tag) for tag in tags}
        fitting = {tag: metrics for tag, metrics in fitting.items() if metrics}
        return Look(folder, fitting, [scalar for scalar in found if scalar.tag in fitting])

    def _points(self, look: "Look") -> Iterator[Point]:
        metrics = {tag: self._taken(look, tag) for tag in look.fitting}
        for scalar in look.scalars:
            for metric in metrics[scalar.tag]:
                self._steps[metric] += 1
                at = seconds(scalar.wall_time) or self._clock()
                yield Point(metric, self._steps[metric], at, scalar.value)

    def _taken(self, look: "Look", tag: str) -> list[str]:
        """The metrics that have no better match than this tag."""
        taken = []
        for metric, fit in look.fitting[tag]:
            if fit == self._ranks[metric]:
                taken.append(metric)
                tags = self._tags.setdefault(metric, {})
                if len(tags) < MOST_NAMES:
                    tags[f"{look.folder}/{tag}" if look.folder else tag] = fit
        return taken

    def _mixed(self) -> Iterator[ReadTag]:
        """The tags of metrics that have several, or one that only begins like them."""
        for metric, tags in self._tags.items():
            if len(tags) > 1 or _LIKE in tags.values():
                yield from (ReadTag(metric=metric, tag=tag) for tag in tags)


class Look(NamedTuple):
    """What is new in a file of a folder: by tag the metrics that it fits, and how well, as `rank`
    says; and the scalars of these tags."""

    folder: str
    fitting: Mapping[str, Sequence[tuple[str, int]]]
    scalars: Sequence[Scalar]


@lru_cache(maxsize=10_000)
def fits(metrics: tuple[str, ...], path: str, folder: str, tag: str) -> list[tuple[str, int]]:
    """The metrics that a tag fits in a file of this folder below `path`, and how well."""
    whole = f"{path}/{folder}" if folder else path
    ranks = ((metric, rank(metric, whole, tag)) for metric in metrics)
    return [(metric, fit) for metric, fit in ranks if fit is not None]


def rank(metric: str, folder: str, tag: str) -> int | None:
    """How well a tag in a file of this folder fits the metric, the best first; None if not."""
    if tag == metric:
        return 0
    above, _, last = metric.rpartition("/")
    if metric.endswith(f"/{tag}") and f"/{folder}/{tag}".endswith(f"/{metric}"):
        return 1
    return _LIKE if tag.startswith(last) and folder.endswith(above) else None


def _files(root: Path, below: Path) -> Iterator[str]:
    """The event files below a folder by their names in it, as far as MOST_ENTRIES entries show;
    links are not followed."""
    folders, left = deque([("", DEEPEST)]), MOST_ENTRIES
    while folders and left > 0:
        folder, depth = folders.popleft()
        try:
            with entries_below(below, root / folder) as found:
                entries = [(each.name, _kind(each)) for each in islice(found, left)]
        except OSError:  # it is not there yet, or not any more
            continue
        left -= len(entries)
        for name, kind in entries:
            path = os.path.join(folder, name)
            if kind == "folder" and depth > 1:
                folders.append((path, depth - 1))
            elif kind == "file" and MARK in name:
                yield path


def _kind(entry: "os.DirEntry[str]") -> str:
    """As far as it matters; a link is neither a folder nor a file."""
    if entry.is_dir(follow_symlinks=False):
        return "folder"
    return "file" if entry.is_file(follow_symlinks=False) else ""
