"""One of TensorBoard's event files as it grows: the scalars of its whole records, each once."""

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from collectors.parsers.event_records import (
    HEADER,
    LONGEST,
    BrokenRecordError,
    Scalar,
    record_size,
    scalars,
)
from collectors.sources.below import open_below
from collectors.sources.part import ReadPart
from collectors.sources.tail import LAST_RESTARTS, MAX_BYTES
from events.regular_file import NOTHING_THERE

COMPARED = 128
"""Bytes of the beginning that are compared before each read; the time of the first event is among
them."""
_OF_AN_EARLIER_VERSION = -1
_log = logging.getLogger(__name__)


def _part() -> ReadPart:
    return ReadPart(kept=COMPARED)


@dataclass(slots=True)
class EventFile:
    """What was read of a file. One that was replaced, or written anew, is read from its start; its
    reports are new ones."""

    part: ReadPart = field(default_factory=_part)
    ended: bool = False
    """The length of a record is damaged, so nobody knows where the next one begins."""
    broken: int = 0
    """Records that are damaged, and were left out."""
    too_long: int = 0
    """Records of more than LONGEST bytes, which were passed over."""
    last_restarts: int = field(default=0, init=False)

    def read(
        self, below: Path, path: Path, most: int | None = None, *, finishing: bool = False
    ) -> list[Scalar]:
        """The scalars of the whole records that came since the last call, as far as one look, or
        `most` records, go. What is half a record waits. Raises OSError if the system fails to
        read; a file that is not there, or not below that folder, has none."""
        try:
            with open_below(below, path) as file:
                if not self.part.begins(file) and not self.begin_anew(finishing=finishing):
                    return []
                return [] if self.ended else self._read(file, path, most)
        except OSError as error:
            if error.errno not in NOTHING_THERE:
                raise
            return []

    def begin_anew(self, *, finishing: bool) -> bool:
        """False if somebody writes it anew all the time, though nobody should write any more."""
        if finishing and self.last_restarts >= LAST_RESTARTS:
            return False
        self.last_restarts += finishing
        self.part, self.ended = _part(), False
        self.broken = self.too_long = 0
        return True

    def is_changed(self, below: Path, path: Path) -> bool:
        """Does the file, by a close look, no longer begin with what was read of it?"""
        try:
            with open_below(below, path) as file:
                return not self.part.is_whole(file)
        except OSError:  # it is gone, and what was read of it stays
            return False

    def state(self) -> list[Any]:
        return [self.part.state(), self.ended, self.broken, self.too_long]

    @classmethod
    def of(cls, state: Any, below: Path, path: Path) -> "EventFile":
        """From `state`, or from what earlier versions knew of a file: how much of it was read."""
        if state == _OF_AN_EARLIER_VERSION:
            return cls(ended=True, broken=1)
        if isinstance(state, int):
            return cls(_beginning_of(below, path, state))
        part, *others = state
        return cls(ReadPart.of(part), *others)

    def _read(self, file: BinaryIO, path: Path, most: int | None) -> list[Scalar]:
        found: list[Scalar] = []
        end = os.fstat(file.fileno()).st_size
        file.seek(self.part.size)
        data, first = file.read(MAX_BYTES), 0
        while len(data) - first >= HEADER and most != 0:
            header = data[first : first + HEADER]
            try:
                size = record_size(header)
            except BrokenRecordError as error:
                self.part.add(data[:first])
                self._end(path, header, error)
                return found
            if size > LONGEST:
                self.part.add(data[:first])
                self._pass_over(file, size, end)
                return found
            if first + size > len(data):
                self.part.add(data[:first])
                data, first = data[first:] + file.read(size), 0
                if size > len(data):
                    return found
            found += self._scalars(data[first : first + size], path)
            first += size
            most = None if most is None else most - 1
        self.part.add(data[:first])
        return found

    def _scalars(self, record: bytes, path: Path) -> list[Scalar]:
        try:
            return scalars(record)
        except BrokenRecordError as error:
            if not self.broken:
                _log.warning("a record of %s is left out: %s", path, error)
            self.broken += 1
            return []

    def _end(self, path: Path, header: bytes, error: BrokenRecordError) -> None:
        _log.warning("%s is not read beyond byte %d: %s", path, self.part.size, error)
        self.part.add(header)  # so that a file that is mended is another one
        self.ended = True
        self.broken += 1

    def _pass_over(self, file: BinaryIO, size: int, end: int) -> None:
        """Go behind a record that is not examined, once it is whole."""
        if self.part.size + size > end:
            return
        file.seek(self.part.size)
        while size and (chunk := file.read(min(size, MAX_BYTES))):
            self.part.add(chunk)
            size -= len(chunk)
        self.too_long += 1


def _beginning_of(below: Path, path: Path, size: int) -> ReadPart:
    """The first `size` bytes of a file, if it can be read."""
    part = _part()
    try:
        with open_below(below, path) as file:
            while part.size < size and (chunk := file.read(min(size - part.size, MAX_BYTES))):
                part.add(chunk)
    except OSError:
        part.size = size
    return part
