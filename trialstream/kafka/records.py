"""Records of ours from those of aiokafka."""

from aiokafka import ConsumerRecord

from trialstream.records import Delivery, Record


def delivery(topic: str, record: ConsumerRecord) -> Delivery:
    """What aiokafka fetched as ours; `topic` is its logical name."""
    headers = tuple((name, value or b"") for name, value in record.headers)
    return Delivery(
        Record(topic, record.partition, record.key or b"", headers, record.value or b""),
        record.offset,
    )
