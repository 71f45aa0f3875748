"""Read a growing file as measurements: each line once, in bounded memory, steps counted in file
order."""

import re
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import orjson

from collectors.limits import MAX_LINE
from collectors.parsers.reading import Parser
from collectors.sources.below import open_below
from collectors.sources.moments import Moments
from collectors.sources.part import ReadPart
from collectors.sources.sample import diagnose
from collectors.sources.watch import FileWatch, watching
from events.diagnosis import Diagnosis
from events.metrics import Point
from events.model import EARLIEST
from events.regular_file import NOTHING_THERE

MAX_BYTES = 1024 * 1024
"""Bytes of the file that one `read` takes at most."""
MAX_POINTS = 5000
"""Points that one `read` returns at most."""
LAST_RESTARTS = 3
"""So often a file is read anew once nobody should write any more: somebody may do so all the
time."""


class Tail:
    """The points of one file, which may not exist yet.

    `step` counts the reports of each metric from 1, so whoever reads the file again from its start
    gets the same (metric, step) for the same report. A carriage return ends a line, too: progress
    bars write them. A file that was replaced, or written anew, is read from its start; its reports
    are new ones, and follow the earlier.
    """

    def __init__(
        self,
        path: Path,
        parse: Parser,
        clock: Callable[[], datetime],
        max_line: int = MAX_LINE,
        *,
        below: Path | None = None,
    ) -> None:
        """`below`: the folder out of which no link may lead; that of the file unless given."""
        self.path = path
        self._below = below or path.parent
        self._max_line = max_line
        self._parse = parse
        self._clock = clock
        self._texts = parse.texts
        self._words = _any_of(parse.words)
        """Finds the lines that are worth parsing; None: all are."""
        self._read_part = ReadPart()
        """What was parsed before `_chunk`."""
        self._chunk = b""
        self._lines = b""
        """`_chunk` with one kind of line ends."""
        self._place = 0
        self._line = bytearray()
        self._steps: Counter[str] = Counter()
        self._points: deque[Point] = deque()
        self._read_at = EARLIEST
        self._cut = 0
        """Lines that were longer than `max_line`."""
        self._moments = Moments()
        self._finishing = False
        self._last_restarts = 0

    def read(self) -> list[Point]:
        """The points of complete lines that came since the last call, within MAX_BYTES and
        MAX_POINTS.

        An empty list means only that this part of the file had none. A pipe, a device or a folder
        has none. Raises OSError if the system fails to read.
        """
        if self._place >= len(self._chunk) and not self._points:
            self._load()
        self._split()
        return self._taken()

    def finish(self) -> list[Point]:
        """As `read`, once nobody writes any more: an unterminated last line counts. Empty only at
        the end."""
        self._moments.end()
        self._finishing = True
        while True:
            points = self.read()
            if points:
                return points
            if self._place >= len(self._chunk) and not self._load(last=True):
                self._end_line()
                return self._taken()

    def diagnosis(self) -> Diagnosis | None:
        """Why metrics are missing, by a part of the file, and what was left out; once `finish` has
        returned all. None if there is nothing to say."""
        late = self._moments.late(self._steps)
        return diagnose(self.path, self._below, self._parse, self._steps, cut=self._cut, late=late)

    def texts(self) -> dict[str, str]:
        """As Source.texts."""
        latest = self._texts.latest if self._texts else {}
        return {metric: text for metric, (_, text) in latest.items()}

    def state(self) -> bytes:
        """How far was read, for `restore`: what was returned is not returned again."""
        part = replace(self._read_part)
        part.add(self._chunk[: self._place])
        return orjson.dumps(
            {
                "read": part.state(),
                "line": self._line.decode("latin-1"),
                "steps": self._steps,
                "read_at": self._read_at.isoformat(),
                "cut": self._cut,
                "left_out": self._parse.refusals.state(),
                "texts": self._texts.state() if self._texts else None,
                "points": [
                    (metric, step, at.isoformat(), repr(value))
                    for metric, step, at, value in self._points
                ],
            }
        )

    def restore(self, state: bytes) -> None:
        """Continue where another reader of the same file was."""
        known = orjson.loads(state)
        self._read_part = ReadPart.of(known["read"])
        self._chunk, self._lines, self._place = b"", b"", 0
        self._line = bytearray(known["line"].encode("latin-1"))
        self._steps = Counter(known["steps"])
        self._read_at = datetime.fromisoformat(known.get("read_at", EARLIEST.isoformat()))
        self._cut = known.get("cut", 0)
        if left_out := known.get("left_out"):
            self._parse.refusals.restore(left_out)
        else:  # of an earlier version
            self._parse.refusals.count = known.get("refused", 0)
        if self._texts is not None and (texts := known.get("texts")):
            self._texts.restore(texts)
        if self._steps:
            self._moments.begin()
        self._points = deque(
            Point(metric, step, datetime.fromisoformat(at), float(value))
            for metric, step, at, value in known["points"]
        )

    def has_read(self, size: int) -> bool:
        """Is that all of a file of so many bytes, and were all its points returned?"""
        loaded = self._read_part.size + len(self._chunk)
        return self._place >= len(self._chunk) and not self._points and loaded == size

    def begin_anew(self) -> None:
        """Continue at the start of the file, which is emptied: steps and an unfinished line go
        on."""
        self._read_part = ReadPart()
        self._chunk, self._lines, self._place = b"", b"", 0

    def watching(self, changed: Callable[[], None]) -> AbstractContextManager[FileWatch]:
        """Call `changed` whenever the file has been written to."""
        return watching(self.path, changed)

    def _load(self, *, last: bool = False) -> bool:
        """Read the next chunk; False if there is nothing new, or no file that can be read."""
        self._read_part.add(self._chunk)
        self._chunk, self._lines, self._place = b"", b"", 0
        try:
            with open_below(self._below, self.path) as file:
                self._moments.open()
                part = self._read_part
                if not part.begins(file) or (last and not part.is_whole(file)):
                    if self._finishing and self._last_restarts >= LAST_RESTARTS:
                        return False
                    self._last_restarts += self._finishing
                    self._read_part = ReadPart()
                    self._line.clear()
                file.seek(self._read_part.size)
                self._chunk = file.read(MAX_BYTES)
                self._lines = self._chunk.replace(b"\r", b"\n")
        except OSError as error:
            if error.errno in NOTHING_THERE:
                return False
            raise
        return bool(self._chunk)

    def _split(self) -> None:
        """Parse complete lines until the chunk is used up or there are points enough."""
        lines, size = self._lines, len(self._lines)
        while self._place < size and len(self._points) < MAX_POINTS:
            if not self._line:
                self._skip()
            end = lines.find(b"\n", self._place)
            stop = size if end < 0 else end
            self._line += lines[
                self._place : min(stop, self._place + self._max_line - len(self._line))
            ]
            self._place = stop + 1 if end >= 0 else stop
            if end >= 0:
                self._end_line()

    def _skip(self) -> None:
        """Go to the next line that may report something, or else to the beginning of the last."""
        if self._words is not None:
            found = self._words.search(self._lines, self._place)
            before = len(self._lines) if found is None else found.start()
            self._place = max(self._place, self._lines.rfind(b"\n", self._place, before) + 1)

    def _end_line(self) -> None:
        self._cut += len(self._line) >= self._max_line
        text = self._line.decode(errors="replace")
        self._line.clear()
        if not text:
            return
        for metric, value, at in self._parse(text):
            step = self._steps[metric] = self._steps[metric] + 1
            self._points.append(Point(metric, step, at or self._time(), value))
        if self._texts is not None:
            self._texts.settle(self._time)

    def _time(self) -> datetime:
        """The time of reading; a clock that is set back would make an earlier report the latest."""
        self._read_at = max(self._read_at, self._clock())
        return self._read_at

    def _taken(self) -> list[Point]:
        if self._points:
            self._moments.begin()
        if len(self._points) <= MAX_POINTS:
            taken = list(self._points)
            self._points.clear()
            return taken
        return [self._points.popleft() for _ in range(MAX_POINTS)]


def _any_of(words: Sequence[str] | None) -> re.Pattern[bytes] | None:
    if words is None or any("\N{REPLACEMENT CHARACTER}" in word for word in words):
        return None
    encoded = [word.encode(errors="surrogatepass") for word in words]
    return re.compile(b"|".join(map(re.escape, encoded)) or rb"(?!)")
