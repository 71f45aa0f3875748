"""What the scalars of event files in a folder would become, and why others become nothing."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from collectors.dry_words import MOST_SHOWN, few, suggestions, tally
from collectors.parsers.event_records import HEADER, Scalar
from collectors.sources.event_folder import MARK, EventFolder, Look, fits
from events.clock import now
from events.diagnosis import quoted
from events.metrics import Point

MOST_TAGS = 10_000
"""Tags, each in each folder, of which is told."""


class DryFolder(EventFolder):
    """A folder, read as a collector reads it."""

    def __init__(self, folder: Path, metrics: Sequence[str], path: str) -> None:
        """`path`: what the spec calls the folder. Raises NotADirectoryError."""
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is no folder; event files are read from one")
        super().__init__(folder, metrics, now, path)
        self._place = folder
        self._wanted = metrics
        self._first: list[str] = []
        self._values = self._scalars = 0
        self._seen: Counter[tuple[str, str]] = Counter()
        self._read: Counter[tuple[str, str]] = Counter()
        """By folder and tag, how many there were, and how many of them have values."""
        self.counts: Counter[str] = Counter(dict.fromkeys(metrics, 0))
        while self.finish():
            pass

    @property
    def missing(self) -> list[str]:
        """The metrics without a value."""
        return [metric for metric in self._wanted if not self.counts[metric]]

    def _look(self, folder: str, found: Sequence[Scalar]) -> Look:
        for scalar in found:
            place = folder, scalar.tag
            self._scalars += 1
            if place in self._seen or len(self._seen) < MOST_TAGS:
                self._seen[place] += 1
        return super()._look(folder, found)

    def _points(self, look: Look) -> Iterator[Point]:
        for scalar in look.scalars:
            place = look.folder, scalar.tag
            fitting = {scalar.tag: look.fitting[scalar.tag]}
            points = list(super()._points(Look(look.folder, fitting, (scalar,))))
            self._read[place] += bool(points) and place in self._seen
            for point in points:
                self._count(place, point)
            yield from points

    def _count(self, place: tuple[str, str], point: Point) -> None:
        self._values += 1
        self.counts[point.metric] += 1
        if len(self._first) < MOST_SHOWN:
            when = f"report {point.step} at {point.at.isoformat()}"
            self._first.append(f"{_named(*place)}: {point.metric} = {point.value!r} ({when})")

    def words(self) -> Iterator[str]:
        """What is to be said of it."""
        yield from self._first
        if self._values > len(self._first):
            yield "… further scalars with values are only counted"
        yield from few(list(self._unread()), "tags without values")
        yield from self._damage()
        files = len(self.files)
        yield f"{files:,} files, {self._scalars:,} scalars, {self._values:,} values"
        yield from tally(self.counts)
        if not files:
            yield f"no file below {self._place} has {MARK} in its name"
        yield from suggestions(self.missing, list(dict.fromkeys(tag for _, tag in self._seen)))

    def _damage(self) -> Iterator[str]:
        """What could not be read."""
        for name, file in self.files.items():
            if left_out := file.broken - file.ended:
                yield f"{quoted(name)}: nothing of {left_out:,} damaged records"
            if file.too_long:
                yield f"{quoted(name)}: nothing of {file.too_long:,} records that are too long"
            if file.ended:
                place = file.part.size - HEADER
                yield f"{quoted(name)}: nothing beyond byte {place:,}, what follows is no record"

    def _unread(self) -> Iterator[str]:
        """Tags of which some scalars became nothing."""
        for (folder, tag), count in self._seen.items():
            left = count - self._read[folder, tag]
            fitting = fits(self._metrics, self._path, folder, tag)
            why = f"{fitting[0][0]} has a better match" if fitting else "nobody asked for it"
            if left:
                yield f"{_named(folder, tag)}: nothing of {left:,} scalars, {why}"


def _named(folder: str, tag: str) -> str:
    return f"tag {quoted(tag)}" + (f" in {quoted(folder)}" if folder else "")
