"""The scalars in the bytes of a TensorBoard event file: records with checksums, and of their
messages the few fields that matter.

The formats are TensorFlow's: record_writer.h, event.proto, summary.proto and tensor.proto. What is
no scalar, such as an image, a histogram or a text, is passed over.
"""

import struct
from array import array
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

from events.errors import PoisonError

HEADER = 12
"""Bytes before the data of a record: its length and the checksum of that. After it: its own."""
FOOTER = 4
LONGEST = 16 * 1024 * 1024
"""Bytes of a record that is examined; longer ones hold no scalars, and are skipped unread."""

_POLYNOMIAL = 0x82F63B78
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_FLOATS = {1: "<f", 2: "<d", 3: "<i", 9: "<q", 19: "<e"}
"""Types of tensors that are read, as `struct` knows them: float, double, int32, int64, half."""
_LISTS = {5: _FOUR, 6: _EIGHT, 7: _VARINT, 10: _VARINT, 13: _VARINT}
"""A tensor's lists and the wire type of an item; a list may also be packed into bytes."""


class Scalar(NamedTuple):
    """One value of a tag. `wall_time`: seconds since 1970."""

    tag: str
    step: int
    wall_time: float
    value: float


class BrokenRecordError(PoisonError, ValueError):
    """The bytes are no record: a checksum is wrong, or a message ends before it should."""


def _table() -> list[int]:
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (_POLYNOMIAL if number & 1 else 0)
        table.append(number)
    return table


_TABLE = _table()


@cache
def _pairs() -> Sequence[int]:
    """The table of two bytes at a time: half as many steps, and 256 KiB, for those that read
    events."""
    firsts = (_TABLE[pair & 255] ^ pair >> 8 for pair in range(0x10000))
    return array("I", (_TABLE[first & 255] ^ first >> 8 for first in firsts))


def masked_checksum(data: bytes) -> int:
    """CRC-32C, rotated and shifted as records have it."""
    table, checksum = _pairs(), 0xFFFFFFFF
    half, odd = divmod(len(data), 2)
    for pair in struct.unpack_from(f"<{half}H", data):
        checksum = table[(checksum ^ pair) & 0xFFFF] ^ checksum >> 16
    if odd:
        checksum = _TABLE[(checksum ^ data[-1]) & 255] ^ checksum >> 8
    checksum ^= 0xFFFFFFFF
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


@lru_cache(maxsize=1024)  # most records of a file have one of a few lengths
def record_size(header: bytes) -> int:
    """The bytes of the record that begins with these HEADER bytes. Raises BrokenRecordError."""
    length, checksum = struct.unpack("<QI", header)
    if masked_checksum(header[:8]) != checksum:
        raise BrokenRecordError("the checksum of a record's length is wrong")
    return HEADER + int(length) + FOOTER


def scalars(record: bytes) -> list[Scalar]:
    """The scalars of a whole record, in its order. Raises BrokenRecordError."""
    data = record[HEADER:-FOOTER]
    if struct.unpack("<I", record[-FOOTER:])[0] != masked_checksum(data):
        raise BrokenRecordError("the checksum of a record is wrong")
    try:
        return list(_of_event(data))
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise BrokenRecordError(f"a record is no event: {error}") from None


def _of_event(data: bytes) -> Iterator[Scalar]:
    wall_time, step, summaries = 0.0, 0, list[bytes]()
    for number, kind, value in _fields(data):
        if (number, kind) == (1, _EIGHT):
            (wall_time,) = struct.unpack("<d", value)
        elif (number, kind) == (2, _VARINT):
            step = value if value < 2**63 else value - 2**64
        elif (number, kind) == (5, _BYTES):
            summaries.append(value)
    for summary in summaries:
        for number, kind, value in _fields(summary):
            if (number, kind) == (1, _BYTES) and (found := _of_value(value)):
                yield Scalar(found[0], step, wall_time, found[1])


def _of_value(data: bytes) -> tuple[str, float] | None:
    """Tag and value; None if it is no scalar."""
    tag, found = "", None
    for number, kind, value in _fields(data):
        if (number, kind) == (1, _BYTES):
            tag = value.decode()
        elif (number, kind) == (2, _FOUR):
            (found,) = struct.unpack("<f", value)
        elif (number, kind) == (8, _BYTES):
            found = _of_tensor(value)
    return None if found is None else (tag, found)


def _of_tensor(data: bytes) -> float | None:
    """The value of a tensor without dimensions; None if it has some, or is of another type."""
    kind_of_tensor, content, listed = 0, b"", None
    for number, kind, value in _fields(data):
        if (number, kind) == (1, _VARINT):
            kind_of_tensor = value
        elif (number, kind) == (2, _BYTES) and any(field == 2 for field, _, _ in _fields(value)):
            return None
        elif (number, kind) == (4, _BYTES):
            content = value
        elif number in _LISTS and kind in (_LISTS[number], _BYTES):
            listed = number, kind, value
    letter = _FLOATS.get(kind_of_tensor)
    if letter is None:
        return None
    if len(content) == struct.calcsize(letter):
        return float(struct.unpack(letter, content)[0])
    return None if listed is None else _of_list(*listed)


def _of_list(number: int, kind: int, value: Any) -> float:
    """The only number of one of a tensor's lists: of floats, doubles, int32, int64 or halves."""
    if number in (5, 6):
        return float(struct.unpack("<f" if number == 5 else "<d", value)[0])
    if kind == _BYTES:
        value, _ = _varint(value, 0)
    if number == 13:
        return float(struct.unpack("<e", struct.pack("<H", value & 0xFFFF))[0])
    return float(value if value < 2**63 else value - 2**64)


def _fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """(number, wire type, value) of each field of a message; a varint's value is an integer."""
    place, end = 0, len(data)
    while place < end:
        key, place = data[place], place + 1
        if key > 127:
            key, place = _varint(data, place - 1)
        kind = key & 7
        if kind == _VARINT:
            number, place = _varint(data, place)
            yield key >> 3, kind, number
            continue
        if kind == _BYTES:
            size, place = data[place], place + 1
            if size > 127:
                size, place = _varint(data, place - 1)
        elif kind in (_EIGHT, _FOUR):
            size = 8 if kind == _EIGHT else 4
        else:
            raise IndexError(f"wire type {kind}")
        if place + size > end:
            raise IndexError("a field is longer than its message")
        yield key >> 3, kind, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A varint of at most ten bytes, and the place after it."""
    byte = data[place]
    if byte < 128:
        return byte, place + 1
    number, shift = byte & 127, 7
    while True:
        place += 1
        byte = data[place]
        number |= (byte & 127) << shift
        if byte < 128:
            return number & 0xFFFFFFFFFFFFFFFF, place + 1
        shift += 7
        if shift > 63:
            raise IndexError("a varint of more than ten bytes")
