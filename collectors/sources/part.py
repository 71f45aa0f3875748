"""The part of a file that was read, and whether the file still begins with it."""

import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

BEGINNING = 1024
"""Bytes that are compared before each read, unless there are many files."""
MOST_COMPARED = 64 * 1024 * 1024
"""Bytes of the part that are compared as a whole; of a longer one the beginning must do."""
_AT_ONCE = 1024 * 1024


@dataclass(slots=True)
class ReadPart:
    """Everything before `size`, known by its beginning and a checksum.

    A program that replaces its file, or writes it anew, does so at any moment: the new one may be
    shorter or longer, and may have the name, the number and the first lines of the old one.
    """

    size: int = 0
    beginning: bytes = b""
    checksum: int = 0
    file: int = 0
    """The number of the file (inode)."""
    kept: int = BEGINNING
    """Bytes that `beginning` has at most."""

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if len(self.beginning) < self.kept:
            self.beginning += chunk[: self.kept - len(self.beginning)]
        self.checksum = zlib.crc32(chunk, self.checksum)

    def begins(self, file: BinaryIO) -> bool:
        """Does `file`, as far as a quick look shows, still begin with this part? One of another
        number is looked at more closely."""
        status = os.fstat(file.fileno())
        before, self.file = self.file, status.st_ino
        if status.st_size < self.size and not os.pread(file.fileno(), 1, self.size - 1):
            return False  # files of the kernel say that they have no bytes, and have some
        if os.pread(file.fileno(), len(self.beginning), 0) != self.beginning:
            return False
        return before in (0, status.st_ino) or self.is_whole(file)

    def is_whole(self, file: BinaryIO) -> bool:
        """Does `file` begin with exactly this part?"""
        if self.size > MOST_COMPARED:
            return True
        checksum = read = 0
        for chunk in self._chunks(file):
            checksum, read = zlib.crc32(chunk, checksum), read + len(chunk)
        return (read, checksum) == (self.size, self.checksum)

    def _chunks(self, file: BinaryIO) -> Iterator[bytes]:
        for place in range(0, self.size, _AT_ONCE):
            yield os.pread(file.fileno(), min(_AT_ONCE, self.size - place), place)

    def state(self) -> dict[str, Any]:
        """What `of` makes it from again, as JSON."""
        return {**asdict(self), "beginning": self.beginning.decode("latin-1")}

    @classmethod
    def of(cls, state: dict[str, Any]) -> "ReadPart":
        return cls(**{**state, "beginning": state["beginning"].encode("latin-1")})
