"""What a controller needs is missing or away: it says so, goes on when that is mended, and always
leaves in time."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from controller.store.leases import Leases
from controller.store.postgres import Database
from events.bus.kafka.topics import PARTITIONS, delete
from tests.brokers import Brokers
from tests.eventually import eventually
from tests.faults.installation import Installation, installation
from tests.ports import free_port

LEAVE_SECONDS = 8.5
"""What is promised, and some for the ends of processes on a busy machine."""


@pytest.fixture
def bare(tmp_path: Path, one_broker: Brokers) -> Iterator[Installation]:
    """Without topics."""
    with installation(tmp_path, one_broker, with_topics=False) as opened:
        yield opened


class Health:
    """The answers of a controller on its port."""

    def __init__(self, place: Installation) -> None:
        self._port = free_port()
        self.controller = place.open_controller("--health-port", str(self._port))

    def reasons(self) -> str:
        """Why it is not ready; `ok` when it is, nothing before it answers."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self._port}/readyz", timeout=5
            ) as answer:
                return str(answer.read().decode().strip())
        except urllib.error.HTTPError as refusal:
            return refusal.read().decode().strip()
        except OSError:
            return ""

    def says(self, *words: str) -> None:
        """Wait until the reasons have all these words."""
        eventually(lambda: all(word in self.reasons() for word in words), f"readiness says {words}")

    def is_ready(self) -> None:
        eventually(lambda: self.reasons() == "ok", "it is ready")


def test_without_topics_it_says_what_to_do_and_goes_on_when_they_are_there(
    bare: Installation,
) -> None:
    health = Health(bare)
    health.says(f"{bare.settings.prefix}.signals", "trialstream topics create")
    bare.command("topics", "create")
    health.is_ready()
    assert health.controller.leave() < LEAVE_SECONDS


def test_too_few_partitions_are_refused_until_the_topics_are_right(bare: Installation) -> None:
    async def make(database: Database) -> None:
        await Leases(database, "before").make_shards(PARTITIONS)

    bare.postgres.ask(make)
    bare.command("topics", "create", "--partitions", "6")
    health = Health(bare)
    health.says("24 shards", "6 partitions", "fixed")
    asyncio.run(delete(bare.settings))
    bare.command("topics", "create")
    health.is_ready()


def test_a_broker_that_is_away_is_waited_for(place: Installation, one_broker: Brokers) -> None:
    """At the start, at work, and while leaving."""
    one_broker.kill()
    try:
        early = Health(place)
        early.says(one_broker.settings.bootstrap, "does not answer")
        waiting = Health(place)
        waiting.says("does not answer")
        assert waiting.controller.leave() < LEAVE_SECONDS
        one_broker.start()
        early.is_ready()
        one_broker.kill()
        early.says("Kafka")
        assert early.controller.leave() < LEAVE_SECONDS
    finally:
        one_broker.start()


def test_a_database_that_is_away_is_waited_for(place: Installation) -> None:
    place.postgres.kill()
    early, waiting = Health(place), Health(place)
    early.says("Error")
    waiting.says("Error")
    assert waiting.controller.leave() < LEAVE_SECONDS
    place.postgres.start()
    early.is_ready()
    place.postgres.kill()
    early.says("the database does not answer")
    assert early.controller.leave() < LEAVE_SECONDS
    place.postgres.start()


def test_it_leaves_a_frozen_broker_and_database_in_time(
    place: Installation, one_broker: Brokers
) -> None:
    """They accept what is sent, and never answer."""
    health = Health(place)
    health.is_ready()
    servers = place.postgres.processes()
    one_broker.freeze()
    try:
        for one in servers:
            one.suspend()
        assert health.controller.leave() < LEAVE_SECONDS
    finally:
        for one in servers:
            if psutil.pid_exists(one.pid):
                one.resume()
        one_broker.thaw()
