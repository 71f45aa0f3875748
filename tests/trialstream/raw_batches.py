"""Batches of records by the byte, as clients send and brokers keep them, and as nobody should."""

import gzip
import struct
from collections.abc import Iterable
from typing import Any

import cramjam
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.codec import snappy_encode
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from events.bus.kafka import KafkaSettings
from tests.eventually import eventually_async

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
PACK = {
    "gzip": gzip.compress,
    "snappy": snappy_encode,
    "raw snappy": cramjam.snappy.compress_raw,
    "lz4": cramjam.lz4.compress,
    "zstd": cramjam.zstd.compress,
}


def batch(first: int, values: Iterable[bytes], codec: int = 0, **options: Any) -> bytes:
    """A batch of records as a client sends it and the broker keeps it."""
    fields = {"is_transactional": 0, "producer_id": -1, "producer_epoch": -1, "base_sequence": -1}
    builder = DefaultRecordBatchBuilder(2, codec, **{**fields, **options}, batch_size=2**20)
    for number, value in enumerate(values):
        builder.append(
            number, timestamp=1_000, key=b"k", value=value, headers=[("ce_id", b"1"), ("b", None)]
        )
    made = bytearray(builder.build())
    struct.pack_into(">q", made, 0, first)
    return bytes(made)


def checked(made: bytes) -> bytes:
    """With the checksum that fits."""
    return made[:17] + struct.pack(">I", calc_crc32c(made[21:])) + made[21:]


def with_field(made: bytes, place: int, layout: str, value: int) -> bytes:
    changed = bytearray(made)
    struct.pack_into(layout, changed, place, value)
    return bytes(changed)


def holding(made: bytes, body: bytes, codec: int) -> bytes:
    """The batch with another body, of this codec."""
    made = with_field(made[:61] + body, 8, ">i", 61 - 12 + len(body))
    return checked(with_field(made, 21, ">h", codec))


def well(position: int) -> bytes:
    return batch(position, [b"well"])


async def produce(settings: KafkaSettings, topic: str, partition: int, made: bytes) -> None:
    """Have the broker keep a batch as it is."""
    client = AIOKafkaClient(bootstrap_servers=settings.addresses[0])
    await client.bootstrap()
    try:
        await client.set_topics([settings.topic(topic)])
        node = client.cluster.leader_for_partition(TopicPartition(settings.topic(topic), partition))
        assert node is not None
        topics = [(settings.topic(topic), [(partition, made)])]

        async def kept() -> bool:
            answer = await client.send(node, ProduceRequest(None, -1, 10_000, topics))
            return bool(answer.topics[0][1][0][1] == 0)

        await eventually_async(kept, "the broker has a leader, and takes it")
    finally:
        await client.close()
