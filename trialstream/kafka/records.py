"""Records as Kafka carries them: how large they are, and ours from aiokafka's."""

from aiokafka import ConsumerRecord

from trialstream.records import Delivery, Record


def size(record: Record) -> int:
    """Bytes of key, headers and value: any of them may be the large one."""
    return (
        len(record.key)
        + len(record.value)
        + sum(len(name) + len(value) for name, value in record.headers)
    )


def delivery(topic: str, record: ConsumerRecord) -> Delivery:
    """What aiokafka fetched as ours; `topic` is its logical name."""
    headers = tuple((name, value or b"") for name, value in record.headers)
    return Delivery(
        Record(topic, record.partition, record.key or b"", headers, record.value or b""),
        record.offset,
    )
