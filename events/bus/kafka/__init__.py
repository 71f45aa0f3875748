"""The bus on Apache Kafka: durable, shared by several controllers."""

from events.bus.kafka.bus import KafkaBus, open_bus
from events.bus.kafka.publisher import Publisher, open_publisher
from trialstream.kafka.reader import KafkaReader, Start, open_reader
from trialstream.kafka.settings import KafkaSettings, SettingsError

__all__ = [
    "KafkaBus",
    "KafkaReader",
    "KafkaSettings",
    "Publisher",
    "SettingsError",
    "Start",
    "open_bus",
    "open_publisher",
    "open_reader",
]
