"""A Kafka of the tests' own, whose brokers are killed, frozen and started again, and the admin's
way to any."""

import os
import shlex
import subprocess
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from events.bus.kafka import KafkaSettings
from tests.conftest import NO_KAFKA

ROOT = Path(__file__).parents[1]


def program() -> Path:
    """What starts real brokers; never those that TRIALSTREAM_KAFKA names. The test is left out
    where there is none."""
    if "TRIALSTREAM_KAFKA" not in os.environ:
        pytest.skip(NO_KAFKA)
    folder = os.environ.get("TRIALSTREAM_SERVICES_FOLDER", ROOT.parent / "shared" / "services")
    found = Path(os.environ.get("TRIALSTREAM_SERVICES_KAFKA", Path(folder, "kafka"))).absolute()
    if not found.exists():
        pytest.skip(
            "they kill brokers of their own: set TRIALSTREAM_SERVICES_KAFKA to what starts "
            f"some, not {found}"
        )
    return found


class Brokers:
    """An instance of Kafka; brokers count from 1."""

    def __init__(self, *options: str) -> None:
        self._program, self._name = program(), f"test-{uuid4().hex[:8]}"
        said = self.command(
            "up", "--heap", "320m", "--set", "broker.session.timeout.ms=3000", *options
        )
        named = dict(word.split("=", 1) for word in shlex.split(said) if "=" in word)
        self.settings = KafkaSettings(
            named["TRIALSTREAM_KAFKA"], user=named.get("TRIALSTREAM_KAFKA_USER", ""),
            password=named.get("TRIALSTREAM_KAFKA_PASSWORD", ""),
        )  # fmt: skip

    def kill(self, broker: int = 1) -> None:
        self.command("kill", str(broker))

    def start(self, broker: int = 1) -> None:
        """Start it again, and wait until it serves."""
        self.command("start", str(broker))

    def freeze(self, broker: int = 1) -> None:
        """SIGSTOP: it is there, and answers nothing."""
        self.command("pause", str(broker))

    def thaw(self, broker: int = 1) -> None:
        self.command("resume", str(broker))

    def command(self, *words: str) -> str:
        """Run a command of the program on this instance; what it says."""
        done = subprocess.run(
            [self._program, words[0], "--name", self._name, *words[1:]],
            text=True, capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


@asynccontextmanager
async def admin(settings: KafkaSettings) -> AsyncGenerator[AIOKafkaAdminClient]:
    """aiokafka's own admin client, for what ours does not do."""
    client = AIOKafkaAdminClient(bootstrap_servers=settings.addresses)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


@contextmanager
def brokers(*options: str) -> Iterator[Brokers]:
    """Started with these options of the program, such as "--brokers", "3"; nothing is left of them
    afterwards."""
    opened = Brokers(*options)
    try:
        yield opened
    finally:
        opened.command("wipe")
