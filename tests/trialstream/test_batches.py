"""A batch that cannot be read is stepped over, is said, and takes bounded memory; all others arrive
as they were sent."""

import random
import tracemalloc
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.memory_records import MemoryRecords

from tests.tiers import tiered
from tests.trialstream.raw_batches import CODECS, PACK, batch, checked, holding, well, with_field
from trialstream.attributes import UnreadableRecordError, attributes
from trialstream.kafka.batches import KEPT_BYTES, read, split
from trialstream.kafka.compression import MOST_UNPACKED
from trialstream.kafka.records import delivery
from trialstream.records import damage

PLACE = TopicPartition("t", 0)


def fetched(data: bytes, position: int = 0) -> tuple[list[ConsumerRecord[Any, Any]], int]:
    """What arrives of these bytes, and the next position to fetch."""
    records = PartitionRecords(
        PLACE, MemoryRecords(data), [], position, None, None, True, READ_COMMITTED
    )
    return list(read(records, data)), records.next_fetch_offset


def reason(record: ConsumerRecord[Any, Any]) -> str | None:
    return damage(delivery("t", record).record)


def is_stepped_over(bad: bytes, count: int, words: str) -> None:
    """One record stands for `count` of them, and the neighbours arrive."""
    found, after = fetched(well(0) + bad + well(1 + count))
    assert [one.value for one in found[::2]] == [b"well"] * 2
    assert len(found) == 3
    assert found[1].offset == count
    assert words in str(reason(found[1]))
    with pytest.raises(UnreadableRecordError, match="the batch of records that ends here"):
        attributes(delivery("t", found[1]).record)
    assert after == 2 + count
    assert len(found[1].value) <= KEPT_BYTES


@pytest.mark.parametrize("codec", CODECS)
def test_each_codec_is_read(codec: str) -> None:
    values = [b"one", b"", bytes(100_000)]
    data = batch(5, values, CODECS[codec]) + batch(8, values, CODECS[codec])
    found, after = fetched(data, 5)
    assert [one.value for one in found] == values * 2
    assert [one.offset for one in found] == [5, 6, 7, 8, 9, 10]
    assert {one.headers for one in found} == {(("ce_id", b"1"), ("b", None))}
    assert after == 11
    found, _ = fetched(data, 7)  # in the middle of a batch
    assert [one.offset for one in found] == [7, 8, 9, 10]
    found, after = fetched(data[:-1], 5)  # the broker cuts the last one off
    assert (len(found), after) == (3, 8)


def test_a_wrong_checksum() -> None:
    bad = bytearray(batch(1, [b"one", b"two"]))
    bad[-5] ^= 1
    is_stepped_over(bytes(bad), 2, "wrong checksum")


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_an_unknown_codec(codec: int) -> None:
    is_stepped_over(checked(with_field(well(1), 21, ">h", codec)), 1, f"codec {codec}")


@pytest.mark.parametrize("packed", PACK)
def test_a_bomb_takes_bounded_memory(packed: str) -> None:
    """Far more than it may unpack to; its bytes are made before memory is measured."""
    codec = CODECS[packed.split()[-1]]
    bomb = holding(well(1), bytes(PACK[packed](bytes(5 * MOST_UNPACKED))), codec)
    tracemalloc.start()
    is_stepped_over(bomb, 1, f"within {MOST_UNPACKED:,} bytes")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * MOST_UNPACKED + 3 * len(bomb)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("body", [b"", b"\0", b"\x82SNAPPY\x00" + b"\xff" * 30, b"nonsense" * 9])
def test_what_is_not_of_its_codec(codec: str, body: bytes) -> None:
    bad = holding(well(1), body, CODECS[codec])
    found, after = fetched(bad + well(2), 1)
    assert (len(found), after) == (2, 3)
    assert reason(found[0])


def test_a_name_of_a_header_that_is_no_text() -> None:
    """The record arrives with its name replaced, and those before and behind it as they are."""
    made = batch(1, [b"one", b"two", b"three"])
    place = made.index(b"ce_id", made.index(b"two"))
    bad = checked(made[:place] + b"\xff\xfe_id" + made[place + 5 :])
    found, after = fetched(well(0) + bad)
    assert [one.value for one in found] == [b"well", b"one", b"two", b"three"]
    assert [one.offset for one in found] == [0, 1, 2, 3]
    assert found[2].headers == (("\ufffd\ufffd_id", b"1"), ("b", None))
    assert found[1].headers == found[3].headers == (("ce_id", b"1"), ("b", None))
    assert {one.timestamp for one in found} == {1_000}
    assert after == 4


def test_a_record_that_makes_no_sense_ends_its_batch_alone() -> None:
    made = batch(1, [b"one", b"two", b"three"])
    place = made.index(b"two")
    bad = checked(made[: place - 1] + b"\x7f" + made[place:])
    found, after = fetched(bad + well(4), 1)
    assert [one.offset for one in found] == [1, 3, 4]
    assert "the 2th, that makes no sense" in str(reason(found[1]))
    assert after == 5


@pytest.mark.parametrize("length", [-(2**31), -1, 0, 48])
def test_a_length_that_makes_no_sense(length: int) -> None:
    found, after = fetched(well(0) + with_field(well(1), 8, ">i", length) + well(2))
    assert [one.offset for one in found] == [0, 1]
    assert after == 2


@pytest.mark.parametrize("more", [1, 30, 150, 2**20, 2**31 - 200])
def test_a_length_that_is_too_large(more: int) -> None:
    """No broker cuts off the first batch that it hands out. What follows is fetched again."""
    bad = batch(1, [b"one", b"two"])
    bad = with_field(bad, 8, ">i", len(bad) - 12 + more)
    found, after = fetched(bad + well(3) + well(4), 1)
    assert ([one.offset for one in found], after) == ([2], 3)
    assert reason(found[0])
    found, after = fetched(well(0) + bad + well(3) + well(4))
    assert (found[0].value, after) == (b"well", 3 if more <= 150 else 1)


def test_whatever_the_bytes_it_moves_on() -> None:
    """From any damaged bytes something arrives, and the position only grows, by no more than the
    batches have."""
    known = b"".join(
        batch(3 * number, [b"a", bytes(50), b"c"], codec)
        for number, codec in enumerate(CODECS.values())
    )
    for number in range(tiered(5_000)):
        chance = random.Random(number)
        data = bytearray(known)
        for _ in range(chance.choice((1, 1, 2, 9))):
            place = chance.randrange(len(data))
            data[place] = chance.randrange(256)
        bad = bytes(data)
        if chance.random() < 0.5:  # only the checksum does not tell
            bad = b"".join(map(checked, _cut(bad)))
        found, after = fetched(bad)
        offsets = [one.offset for one in found]
        assert offsets == sorted(set(offsets)), number
        assert after >= len(offsets)
        assert found or not list(split(bad)), number  # else it is cut off, for all one can see


def _cut(data: bytes) -> list[bytes]:
    return [one if len(one) > 61 else one.ljust(62, b"\0") for one in split(data)]
