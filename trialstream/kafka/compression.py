"""Unpacking what a batch holds, by each of Kafka's codecs, to so many bytes and no more."""

import struct
import zlib
from typing import Any

from trialstream.errors import PoisonError

MOST_UNPACKED = 4 * 1024 * 1024
"""Bytes of one batch. Clients send batches of 1 MiB unpacked at most, unless they are told to."""
USUAL_GROWTH = 16
"""So many times as large is nearly every batch when it is unpacked."""
GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
_FRAMED = b"\x82SNAPPY\x00"
_FRAME_HEADER = 16


class DamagedError(PoisonError):
    """A batch that cannot be read; the message says what it is or does."""


def unpack(codec: int, data: bytes) -> bytes:
    """The records of a batch. Raises DamagedError, ImportError if the library is missing."""
    if codec == GZIP:
        return _gunzipped(data)
    import cramjam

    try:
        if codec == SNAPPY:
            return _unsnapped(data)
        if codec in (LZ4, ZSTD):
            return _inflated(cramjam.lz4 if codec == LZ4 else cramjam.zstd, data)
    except (cramjam.DecompressionError, struct.error) as error:
        raise DamagedError(
            f"cannot be unpacked, or not within {MOST_UNPACKED:,} bytes: {error}"
        ) from None
    raise DamagedError(f"is compressed by the codec {codec}, which nobody knows")


def _gunzipped(data: bytes) -> bytes:
    found = b""
    while data:
        decoder = zlib.decompressobj(wbits=31)
        try:
            found += decoder.decompress(data, MOST_UNPACKED + 1 - len(found))
        except zlib.error as error:
            raise DamagedError(f"cannot be unpacked: {error}") from None
        if len(found) > MOST_UNPACKED or not decoder.eof:
            raise DamagedError(f"cannot be unpacked within {MOST_UNPACKED:,} bytes")
        data = decoder.unused_data
    return found


def _inflated(library: Any, data: bytes) -> bytes:
    import cramjam

    for size in (USUAL_GROWTH * len(data), MOST_UNPACKED):  # room costs time, also if unused
        space = bytearray(min(size, MOST_UNPACKED))
        try:
            return bytes(memoryview(space)[: library.decompress_into(data, space)])
        except cramjam.DecompressionError:
            if len(space) == MOST_UNPACKED:
                raise
    raise AssertionError("the last size is the largest")


def _unsnapped(data: bytes) -> bytes:
    """Either one block, or as Java's clients write it: a header, and blocks with their lengths."""
    if not data.startswith(_FRAMED):
        return _block(data, 0)
    found, place = bytearray(), _FRAME_HEADER
    while place < len(data):
        (length,) = struct.unpack_from(">i", data, place)
        if length < 0:
            raise DamagedError("has a block of negative length")
        place += 4 + length
        found += _block(data[place - length : place], len(found))
    return bytes(found)


def _block(data: bytes, before: int) -> bytes:
    import cramjam

    if before + cramjam.snappy.decompress_raw_len(data) > MOST_UNPACKED:
        raise DamagedError(f"cannot be unpacked within {MOST_UNPACKED:,} bytes")
    return bytes(cramjam.snappy.decompress_raw(data))
