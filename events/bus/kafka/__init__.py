"""The bus on Apache Kafka: durable, shared by several controllers."""

from events.bus.kafka.bus import KafkaBus, open_bus
from events.bus.kafka.reader import KafkaReader, Start, open_reader
from events.bus.kafka.settings import KafkaSettings, SettingsError

__all__ = ["KafkaBus", "KafkaReader", "KafkaSettings", "SettingsError", "Start", "open_bus", "open_reader"]
