"""Batches that no client should send, on a real Kafka: controllers and subscribers step over them
and say so, within bounded memory."""

import asyncio
import resource
from collections.abc import Callable
from typing import Any

import cramjam
import pytest
from aiokafka.client import AIOKafkaClient

from events import topics
from events.bus.kafka import KafkaSettings, open_bus
from tests.trialstream.raw_batches import (
    CODECS,
    batch,
    checked,
    holding,
    produce,
    well,
    with_field,
)
from trialstream.kafka.batches import split
from trialstream.kafka.reader import open_reader
from trialstream.records import Delivery, damage

MIB = 1024 * 1024
BOMB_BYTES = 600 * MIB


def bomb() -> bytes:
    """A record of 600 MB in less than one MiB, as a broker takes it; it is never in memory."""
    inner = b"\0\0\0" + b"\1" + number(BOMB_BYTES)
    packer = cramjam.zstd.Compressor()
    packer.compress(number(len(inner) + BOMB_BYTES + 1) + inner)
    for _ in range(BOMB_BYTES // MIB):
        packer.compress(bytes(MIB))
    packer.compress(b"\0")
    made = holding(well(0), bytes(packer.finish()), CODECS["zstd"])
    assert len(made) < MIB
    return made


def number(value: int) -> bytes:
    """As Kafka writes it in few bytes."""
    found, value = bytearray(), value << 1
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def strange_header() -> bytes:
    made = well(0)
    place = made.index(b"ce_id")
    return checked(made[:place] + b"\xff\xfe_id" + made[place + 5 :])


async def arrived(fetch: Callable[[], Any], count: int) -> list[Delivery]:
    found: list[Delivery] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            found += await fetch()
    return found


def is_bounded(before: int) -> None:
    """The process has grown by less than the half of one bomb."""
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < BOMB_BYTES / 2


async def test_what_no_client_should_send(kafka: KafkaSettings) -> None:
    bad = bomb()
    made = [well(0), strange_header(), bad, well(0), bad, well(0)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for one in made:
        await produce(kafka, topics.EVENTS, 0, one)
    async with open_bus(kafka) as bus, bus.subscribe(topics.EVENTS, 0, 0) as subscription:
        check(await arrived(lambda: subscription.fetch(9, 1.0), 6))
        assert subscription.position == 6
    async with open_reader(kafka, topics.EVENTS, "beginning") as reader:
        check(await arrived(lambda: reader.fetch(9, 1.0), 6))
        assert reader.positions()[0] == 6
    is_bounded(before)


def check(found: list[Delivery]) -> None:
    assert [one.position for one in found] == [0, 1, 2, 3, 4, 5]
    reasons = [damage(one.record) for one in found]
    assert [reason is None for reason in reasons] == [True, True, False, True, False, True]
    assert "cannot be unpacked, or not within" in str(reasons[2])
    assert found[1].record.headers[0] == ("\ufffd\ufffd_id", b"1")
    assert {one.record.value for one in found if damage(one.record) is None} == {b"well"}


def fetched_as(monkeypatch: pytest.MonkeyPatch, change: Callable[[bytes], bytes]) -> None:
    """The broker hands out what lies there: not what was written."""
    send = AIOKafkaClient.send

    async def sent(self: AIOKafkaClient, node: int, request: Any, **options: Any) -> Any:
        answer = await send(self, node, request, **options)
        if type(request).__name__ == "FetchRequest":
            answer.topics = [
                (topic, [(*one[:-1], change(one[-1] or b"")) for one in those])
                for topic, those in answer.topics
            ]
        return answer

    monkeypatch.setattr(AIOKafkaClient, "send", sent)


async def test_bytes_that_a_disk_has_lost(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of three batches is not what was written."""
    fetched_as(monkeypatch, lambda data: data.replace(b"badly", b"BADLY"))
    for value in (b"first", b"badly", b"third"):
        await produce(kafka, topics.SIGNALS, 0, batch(0, [value]))
    async with open_bus(kafka) as bus, bus.subscribe(topics.SIGNALS, 0, 0) as subscription:
        found = await arrived(lambda: subscription.fetch(9, 1.0), 3)
    assert [one.position for one in found] == [0, 1, 2]
    assert [one.record.value for one in found[::2]] == [b"first", b"third"]
    assert "has a wrong checksum" in str(damage(found[1].record))


def longer(batch: bytes, more: int) -> bytes:
    return with_field(batch, 8, ">i", len(batch) - 12 + more)


@pytest.mark.parametrize(
    ("changed", "positions"),
    [
        pytest.param(lambda bad: longer(bad, 20), [0, 2, 3, 4], id="into the next"),
        pytest.param(lambda bad: longer(bad, 2**20), [0, 2, 3, 4], id="beyond the end"),
        pytest.param(lambda bad: bad[:5], [0, 1, 2, 3, 4], id="cut off before its length"),
    ],
)
async def test_a_batch_that_says_it_is_longer(
    kafka: KafkaSettings,
    monkeypatch: pytest.MonkeyPatch,
    changed: Callable[[bytes], bytes],
    positions: list[int],
) -> None:
    """Its records are lost, and no others: those behind it are fetched again."""

    def tampered(data: bytes) -> bytes:
        before, bad, behind = data.partition(next((x for x in split(data) if b"badly" in x), b"?"))
        return before + changed(bad) + (behind if len(changed(bad)) == len(bad) else b"")

    fetched_as(monkeypatch, lambda data: tampered(data) if b"badly" in data else data)
    for values in ([b"first"], [b"badly", b"badly"], [b"third"], [b"fourth"]):
        await produce(kafka, topics.SIGNALS, 0, batch(0, values))
    count = len(positions)
    async with open_bus(kafka) as bus, bus.subscribe(topics.SIGNALS, 0, 0) as subscription:
        found = await arrived(lambda: subscription.fetch(9, 1.0), count)
    async with open_reader(kafka, topics.SIGNALS, "beginning") as reader:
        read = await arrived(lambda: reader.fetch(9, 1.0), count)
    for those in (found, read):
        assert [one.position for one in those] == positions
        well = [one for one in those if damage(one.record) is None]
        assert [one.record.value for one in well] == [b"first", b"third", b"fourth"]
