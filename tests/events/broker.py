"""A Kafka of the test's own, to be broken."""

import os
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from events import topics
from events.bus import Record
from events.bus.kafka import KafkaSettings
from tests.conftest import NO_KAFKA

ROOT = Path(__file__).parents[2]


def record(number: int, partition: int = 0, topic: str = topics.SIGNALS) -> Record:
    return Record(topic, partition, b"key", (), b"%d" % number)


def services() -> Path:
    for place in (os.environ.get("TRIALSTREAM_SERVICES_FOLDER"), ROOT.parent / "shared" / "services"):
        if place and (Path(place) / "kafka").exists():
            return Path(place) / "kafka"
    pytest.skip("no script that starts a Kafka is at hand")


class Broker:
    """Up from its making until `wipe`."""

    def __init__(self, *options: str) -> None:
        if "TRIALSTREAM_KAFKA" not in os.environ:
            pytest.skip(NO_KAFKA)
        self._script, self._name = services(), f"bus-{uuid4().hex[:8]}"
        said = self.command("up", "--heap", "320m", "--set", "broker.session.timeout.ms=3000", *options)
        named = dict(line.removeprefix("export ").split("=", 1) for line in said.splitlines())
        self.settings = KafkaSettings(
            named["TRIALSTREAM_KAFKA"].strip("'\""), user=named.get("TRIALSTREAM_KAFKA_USER", "").strip("'\""),
            password=named.get("TRIALSTREAM_KAFKA_PASSWORD", "").strip("'\""),
        )  # fmt: skip

    def command(self, *words: str) -> str:
        words = (str(self._script), words[0], "--name", self._name, *words[1:])
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout
