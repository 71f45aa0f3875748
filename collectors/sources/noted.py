"""Notes on disk what a source has returned and how far it was read, for whoever reads on after a
kill."""

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import orjson

from collectors.sources import Source
from collectors.sources.tail import MAX_POINTS
from events.diagnosis import Diagnosis
from events.metrics import Point
from events.regular_file import open_log, open_regular

LEAST_BYTES = 64 * 1024
"""A shorter file of notes is only appended to, which is cheaper than to write it anew."""
_NAME = re.compile(r"noted\.(\d+)")


class Noted:
    """A source that another process reads on exactly, at whatever moment this one is killed.

    Before points are returned they are noted, together with how far was read, until they are
    stored. The next reader returns again what may not be stored, with the same steps, and then what
    is new. Each owner writes a file of its own, named by its epoch: one that was frozen and wakes
    up spoils nothing. Notes outlive the process, not the machine; but there the trial dies, too.
    """

    def __init__(
        self, source: Source, folder: Path, epoch: int, stored: Callable[[], Mapping[str, int]]
    ) -> None:
        """`folder`: that of the attempt; `stored`: by metric, the last step that is stored, as far
        as is known. Raises OSError if there are notes that cannot be read."""
        self._source = source
        self._folder = folder
        self._epoch = epoch
        self._stored = stored
        self._notes: deque[_Note] = deque()
        """Those with points that may not be stored yet."""
        self._size: int | None = None
        """Of our file; None: it has to be written anew."""
        self._again: list[Point] = []
        """What the reader before us may have returned in vain."""
        self._unnoted: list[Point] = []
        """What was read, and could not be noted."""
        self._read_on()

    def read(self) -> list[Point]:
        """As Source.read. Raises OSError also if it cannot be noted; call again later."""
        return self._next(self._source.read)

    def finish(self) -> list[Point]:
        """As Source.finish. Raises as `read`."""
        return self._next(self._source.finish)

    def diagnosis(self) -> Diagnosis | None:
        """As Source.diagnosis."""
        return self._source.diagnosis()

    def texts(self) -> Mapping[str, str]:
        """As Source.texts."""
        return self._source.texts()

    def _next(self, read: Callable[[], list[Point]]) -> list[Point]:
        if self._again:
            points, self._again = self._again[:MAX_POINTS], self._again[MAX_POINTS:]
            return points
        self._unnoted = self._unnoted or read()
        if self._unnoted:
            self._note(_Note.of(self._unnoted, self._source.state()))
        points, self._unnoted = self._unnoted, []
        return points

    def _note(self, note: "_Note") -> None:
        stored = self._stored()
        while self._notes and self._notes[0].is_stored(stored):
            self._notes.popleft()
        notes = [*self._notes, note]
        needed = sum(len(one.line) for one in notes)
        before, self._size = self._size, None  # if it fails, nobody knows how much was written
        if before is None or before + len(note.line) > max(LEAST_BYTES, 2 * needed):
            self._write_anew(notes)
            self._size = needed
        else:
            _append(self._file(self._epoch), [note.line])
            self._size = before + len(note.line)
        self._notes.append(note)

    def _write_anew(self, notes: Sequence["_Note"]) -> None:
        part = self._folder / f"noted.{self._epoch}.part"
        part.unlink(missing_ok=True)
        _append(part, [one.line for one in notes])
        part.replace(self._file(self._epoch))
        for epoch in self._epochs():
            if epoch < self._epoch:
                self._file(epoch).unlink(missing_ok=True)

    def _read_on(self) -> None:
        """Continue by the notes of the latest owner."""
        epochs = self._epochs()
        if not epochs:
            return
        with suppress(FileNotFoundError), open_regular(self._file(max(epochs))) as file:
            self._notes.extend(_whole_notes(file.read()))
        if self._notes:
            self._source.restore(self._notes[-1].state)
            self._again = [point for note in self._notes for point in note.points]

    def _epochs(self) -> list[int]:
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        return [int(found[1]) for name in names if (found := _NAME.fullmatch(name))]

    def _file(self, epoch: int) -> Path:
        return self._folder / f"noted.{epoch}"


class _Note(NamedTuple):
    """Points that were returned together, and how far was read then."""

    line: bytes
    last: Mapping[str, int]
    """By metric, the step of its last point."""

    @classmethod
    def of(cls, points: Sequence[Point], state: bytes) -> "_Note":
        rows = [(*point[:3], repr(point.value)) for point in points]  # JSON has no NaN
        line = orjson.dumps({"state": state.decode(), "points": rows})
        return cls(line + b"\n", {point.metric: point.step for point in points})

    @property
    def state(self) -> bytes:
        state: str = orjson.loads(self.line)["state"]
        return state.encode()

    @property
    def points(self) -> list[Point]:
        return _points(self.line)

    def is_stored(self, stored: Mapping[str, int]) -> bool:
        """Are all of its points?"""
        return all(stored.get(metric, 0) >= step for metric, step in self.last.items())


def _points(line: bytes) -> list[Point]:
    return [
        Point(metric, step, datetime.fromisoformat(at), float(value))
        for metric, step, at, value in orjson.loads(line)["points"]
    ]


def _whole_notes(data: bytes) -> Iterator[_Note]:
    """Those that were written to their end: of one that was not, no point was returned."""
    for line in data.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            return
        try:
            points = _points(line)
        except ValueError:
            return
        yield _Note(line, {point.metric: point.step for point in points})


def _append(path: Path, lines: Sequence[bytes]) -> None:
    with os.fdopen(open_log(os.fspath(path)), "ab") as file:
        file.writelines(lines)
