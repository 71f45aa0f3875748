"""The lines of a pod's log, each once, however often the log is requested again and rotated."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

_TIME = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_LONGEST_TIME = 40
_END = re.compile(rb"[ \n]")


@dataclass(slots=True)
class LogLines:
    """Takes the times off a log that was requested with them, and leaves out what it has had.

    The API gives the newest file of a container's log alone, which the kubelet rotates, so bytes
    say nothing of the place in it; times, in nanoseconds, do. Call `begin` before each request.
    """

    last: bytes = b""
    """The time of the last line that was taken, in UTC."""
    taken: int = 0
    """Bytes so far."""
    _same: int = 0
    """How many lines of that time were taken."""
    _length: int = 0
    """Bytes of the last of them."""
    _head: bytearray = field(default_factory=bytearray)
    _in_line: bool = False
    _seen: int = 0
    """In this request, lines of the time `last` that are known."""
    _skip: int | None = 0
    """Bytes of this line that are known; None = all."""

    def begin(self) -> None:
        """The log comes from its start, or from some line before the last one."""
        self._head.clear()
        self._in_line, self._seen = False, 0

    def take(self, chunk: bytes) -> bytes:
        """What is new in the next piece of the answer, without times."""
        new, place = bytearray(), 0
        while place < len(chunk):
            if self._in_line:
                end = chunk.find(b"\n", place)
                stop = len(chunk) if end < 0 else end + 1
                new += self._text(chunk[place:stop])
                self._in_line = end < 0
            else:
                found = _END.search(chunk, place)
                stop = len(chunk) if found is None else found.start()
                self._head += chunk[place:stop]
                if found is not None or len(self._head) > _LONGEST_TIME:
                    self._start_line()
                    # The space is the time's; a line that ends here has none.
                    stop += found is not None and found.group() == b" "
            place = stop
        self.taken += len(new)
        return bytes(new)

    def _start_line(self) -> None:
        time = _time(bytes(self._head))
        self._head.clear()
        self._in_line = True
        if time is None or time < self.last:  # what has no time is a word of the kubelet's own
            self._skip = None
            return
        if time > self.last:
            self.last, self._same, self._seen = time, 0, 0
        self._seen += 1
        if self._seen > self._same:
            self._same, self._length, self._skip = self._seen, 0, 0
        else:
            self._skip = self._length if self._seen == self._same else None

    def _text(self, text: bytes) -> bytes:
        if self._skip is None:
            return b""
        known = min(self._skip, len(text))
        self._skip -= known
        self._length += len(text) - known
        return text[known:]


def _time(text: bytes) -> bytes | None:
    """In UTC with nine digits, so that times can be compared; None if it is none."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    second, fraction, zone = found.groups()
    if zone != b"Z":
        try:
            local = datetime.fromisoformat((second + zone).decode()).astimezone(UTC)
        except (ValueError, OverflowError):  # the latter near the first and the last year
            return None
        second = local.strftime("%Y-%m-%dT%H:%M:%S").encode()
    return second + b"." + (fraction or b"").ljust(9, b"0") + b"Z"
