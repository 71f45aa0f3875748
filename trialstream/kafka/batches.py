"""The records of a fetched partition, whatever its bytes are: what cannot be read becomes one
record that says so, and nothing is unpacked beyond a bound.

By itself aiokafka raises for such a batch again at each fetch, and unpacks 600 MB from one MiB.
"""

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import DefaultRecordBatch

from trialstream.kafka.compression import DamagedError, unpack
from trialstream.records import DAMAGED

KEPT_BYTES = 64 * 1024
"""Of a batch that cannot be read; they are the value of the record in its place."""
LENGTH, MAGIC, ATTRIBUTES = 8, 16, 21
"""Where these fields of a batch begin."""
LENGTH_ENDS = 12
"""The length of a batch counts from here on."""
CODECS = 0x07
_HEADER = struct.Struct(">qiibIhiqqqhii")


class Header(NamedTuple):
    """The fields before the records of a batch of format 2."""

    first: int
    length: int
    leader_epoch: int
    magic: int
    checksum: int
    attributes: int
    last_delta: int
    first_time: int
    last_time: int
    producer: int
    producer_epoch: int
    sequence: int
    records: int


def guard(consumer: AIOKafkaConsumer) -> None:
    """Have the consumer read batches as this module does. Call it after its start, before it is
    assigned partitions."""
    fetcher = consumer._fetcher
    fetched: dict[TopicPartition, bytes] = {}
    fetcher._client, fetch = _Tap(fetcher._client, fetched), fetcher._proc_fetch_request

    async def fetch_guarded(assignment: Any, node: int, request: FetchRequest) -> bool:
        woken: bool = await fetch(assignment, node, request)
        for topic, partitions in request.topics:
            for number, *_ in partitions:
                place = TopicPartition(topic, number)
                data = fetched.pop(place, b"")
                records = getattr(fetcher._records.get(place), "_partition_records", None)
                if records is not None:
                    records._records_iterator = read(records, data)
        return woken

    fetcher._proc_fetch_request = fetch_guarded


class _Tap:
    """The client of a fetcher; what is fetched can be seen in `fetched`."""

    def __init__(self, client: Any, fetched: dict[TopicPartition, bytes]) -> None:
        self._client, self._fetched = client, fetched

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node: int, request: Any) -> Any:
        response = await self._client.send(node, request)
        if isinstance(request, FetchRequest):
            for topic, partitions in response.topics:
                for place, (number, *rest, data) in enumerate(partitions):
                    if data:
                        data = data.ljust(LENGTH_ENDS, b"\0")
                        self._fetched[TopicPartition(topic, number)] = data
                        partitions[place] = (number, *rest, _whole(data))
        return response


def _whole(data: bytes) -> bytes:
    """With a first batch that aiokafka takes for whole: it would step over one that seems cut off,
    and nobody would see it."""
    room = len(data) - LENGTH_ENDS
    return _with(data, ">i", LENGTH, room) if room < _length(data) else data


def _length(data: bytes, place: int = 0) -> int:
    """What the batch there says that it has after this field."""
    (length,) = struct.unpack_from(">i", data, place + LENGTH)
    return int(length)


def read(records: PartitionRecords, data: bytes) -> Iterator[ConsumerRecord[Any, Any]]:
    """As PartitionRecords iterates, by whose `next_fetch_offset` it moves.

    After a batch that cannot be read the next one may begin elsewhere than it seems: where that one
    cannot be read either, it is fetched again.
    """
    lost = False
    for batch in split(data):
        try:
            header = _checked(batch)
            if not _is_hidden(records, header, batch):
                yield from _records(records, header, batch)
            records.next_fetch_offset = max(
                records.next_fetch_offset, header.first + header.last_delta + 1
            )
            lost = False
        except DamagedError as error:
            if lost:
                return
            lost = True
            position = _last(batch, records.next_fetch_offset)
            records.next_fetch_offset = position + 1
            yield _damaged(records._tp, position, batch, str(error))


def split(data: bytes) -> Iterator[bytes]:
    """The batches; all that follows one whose length makes no sense is part of it. What is cut off
    at the end is fetched again; brokers never cut off the first batch."""
    place = 0
    while place + LENGTH_ENDS <= len(data):
        length = _length(data, place)
        end = place + LENGTH_ENDS + length
        if length < _HEADER.size - LENGTH_ENDS or (end > len(data) and place == 0):
            end = len(data)
        elif end > len(data):
            return
        yield data[place:end]
        place = end


def _checked(batch: bytes) -> Header:
    """Raises DamagedError unless it is as its writer has written it."""
    if len(batch) < _HEADER.size or batch[MAGIC] != 2:
        raise DamagedError("is no batch of format 2")
    header = Header(*_HEADER.unpack_from(batch))
    if header.length != len(batch) - LENGTH_ENDS:
        raise DamagedError("has a length that makes no sense")
    if not DefaultRecordBatch(batch).validate_crc():
        raise DamagedError("has a wrong checksum")
    if header.last_delta < 0:
        raise DamagedError("ends before it begins")
    return header


def _last(batch: bytes, position: int) -> int:
    """The position of the last record; `position` itself unless the fields agree on another one."""
    if len(batch) < _HEADER.size:
        return position
    header = Header(*_HEADER.unpack_from(batch))
    last = header.first + header.last_delta
    agree = header.last_delta + 1 == header.records and header.first <= position <= last
    return last if agree else position


def _is_hidden(records: PartitionRecords, header: Header, batch: bytes) -> bool:
    """Does it hold markers of transactions, or what a transaction took back?"""
    known = DefaultRecordBatch(batch)
    if records._isolation_level == READ_COMMITTED:
        records._consume_aborted_up_to(header.first)
        if known.is_control_batch and _aborts(records, known):
            records._aborted_producers.discard(header.producer)
        if known.is_transactional and header.producer in records._aborted_producers:
            return True
    return bool(known.is_control_batch)


def _aborts(records: PartitionRecords, control: DefaultRecordBatch) -> bool:
    try:
        return bool(records._contains_abort_marker(control))
    except Exception as error:  # whatever it raises for bytes that make no sense
        raise DamagedError(f"marks no end of a transaction: {error!r}") from None


def _records(
    records: PartitionRecords, header: Header, batch: bytes
) -> Iterator[ConsumerRecord[Any, Any]]:
    """Those from the position on. Raises DamagedError in place of the first that cannot be read."""
    if codec := header.attributes & CODECS:
        body = unpack(codec, batch[_HEADER.size :])
        batch = batch[: _HEADER.size] + body
        batch = _with(batch, ">i", LENGTH, len(batch) - LENGTH_ENDS)
        batch = _with(batch, ">h", ATTRIBUTES, header.attributes & ~CODECS)
    for found in _parsed(header, batch):
        if found.offset >= records.next_fetch_offset:
            records.next_fetch_offset = found.offset + 1
            yield records._consumer_record(records._tp, found)


def _with(batch: bytes, layout: str, place: int, value: int) -> bytes:
    changed = bytearray(batch)
    struct.pack_into(layout, changed, place, value)
    return bytes(changed)


def _parsed(header: Header, batch: bytes) -> Iterator[Any]:
    """By aiokafka, which is fast; from where that fails on, by what takes any name of a header."""
    count = 0
    try:
        for found in DefaultRecordBatch(batch):
            yield found
            count += 1
    except Exception:  # whatever it raises for bytes that make no sense
        yield from _parsed_slowly(header, batch, count)


class _Parsed(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    timestamp_type: int = 0
    checksum: None = None


def _parsed_slowly(header: Header, batch: bytes, known: int) -> Iterator[_Parsed]:
    """The records after the first `known`."""
    cursor = _Cursor(batch, _HEADER.size)
    for number in range(header.records):
        try:
            end = cursor.number() + cursor.place
            cursor.place += 1
            time, offset = cursor.number(), cursor.number()
            key, value = cursor.bytes(), cursor.bytes()
            headers = [
                ((cursor.bytes() or b"").decode(errors="replace"), cursor.bytes())
                for _ in range(cursor.number())
            ]
            if cursor.place != end or not 0 <= offset <= header.last_delta:
                raise IndexError
        except IndexError:
            raise DamagedError(f"has a record, the {number + 1}th, that makes no sense") from None
        if number >= known:
            first, start = header.first, header.first_time
            yield _Parsed(first + offset, start + time, key, value, headers)


class _Cursor:
    """Reads numbers and texts of variable length. Raises IndexError behind the end."""

    def __init__(self, data: bytes, place: int) -> None:
        self.data, self.place = data, place

    def number(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self.data[self.place]
            self.place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
        raise IndexError

    def bytes(self) -> bytes | None:
        """None if the length is negative."""
        if (length := self.number()) < 0:
            return None
        begin, self.place = self.place, self.place + length
        if self.place > len(self.data):
            raise IndexError
        return self.data[begin : self.place]


def _damaged(
    place: TopicPartition, position: int, batch: bytes, why: str
) -> ConsumerRecord[Any, Any]:
    reason = f"the batch of records that ends here {why}"
    return ConsumerRecord(
        place.topic, place.partition, position, 0, 0, None, batch[:KEPT_BYTES], None,
        -1, len(batch), ((DAMAGED, reason.encode()),),
    )  # fmt: skip
