"""Records that are told apart by their numbers."""

from events import topics
from events.bus import Record


def record(number: int, partition: int = 0, topic: str = topics.SIGNALS) -> Record:
    return Record(topic, partition, b"key", (), b"%d" % number)
