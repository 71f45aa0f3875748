"""A network that is slow, a broker that throttles, and one that is away for long."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from controller.store.embedded import ROLE, SOCKET
from events import topics
from events.bus import Subscription
from events.bus.kafka import KafkaBus, open_bus
from events.bus.kafka.topics import PARTITIONS
from events.signals import StopRequested
from tests.brokers import Brokers, brokers
from tests.conftest import MEASURED
from tests.events.numbered import record
from tests.eventually import eventually, eventually_async
from tests.faults import invariants
from tests.faults.installation import Installation, installation
from tests.faults.stream import Stream
from tests.line import Line, line
from tests.ports import free_port
from tests.tiers import LONG
from trialstream.kafka.connection import CLIENT

SLOW = (200_000 if LONG else 400_000) / 8
"""Bytes a second of the slow line, each way."""
TRIALS, MANY = 8, 100
DONE = "count(*) = 1 FROM experiment WHERE concluded_at IS NOT NULL"
AWAY_SECONDS, BACK_SECONDS = 600.0, 15.0
"""How long the broker is away, and how soon all goes on when it is back."""
TRIES_A_SECOND = 60.0
"""Connections at most of a controller without a broker, all its clients together."""
QUOTA = 100_000
"""Bytes a second that the broker lets all clients of one name write, and read."""
QUOTA_SECONDS = 2
"""The quota is the mean of so many."""
FLOOD, EACH = 500, 1_000
"""Records and their bytes."""
PATIENCE = 180.0
"""Until all is done, on a machine that does other things, too."""
HEARD_SECONDS = 15.0
"""A stop is heard within so long, though it waits for the quota."""
GROWTH = 16 * 2**20
"""Bytes by which a controller that waits may grow."""

Say = Callable[[str, object], None]


@pytest.fixture(scope="module")
def far() -> Iterator[tuple[Line, Brokers]]:
    """A broker at the end of a line, which all its clients use."""
    port = free_port()
    with (
        line(port) as way,
        brokers(
            *("--port", str(port), "--advertise", f"127.0.0.1:{way.port}"),
            *("--set", f"quota.window.num={QUOTA_SECONDS}"),
        ) as opened,
    ):
        yield way, opened


@pytest.fixture
def there(tmp_path: Path, far: tuple[Line, Brokers]) -> Iterator[Installation]:
    """An installation on that broker."""
    with installation(tmp_path, far[1]) as opened:
        yield opened


def check(place: Installation, trials: int = TRIALS) -> None:
    """The budget is spent exactly, and what was decided is published."""
    place.holds("NOT EXISTS (SELECT FROM outbox)")
    wanted = {**invariants.CONTINUOUS, **invariants.AT_REST}
    assert place.postgres.ask(lambda database: invariants.violations(database, wanted)) == []
    assert place.postgres.value("SELECT count(*) FROM trial WHERE state = 'Succeeded'") == trials


def runs_over(place: Installation, way: Line) -> None:
    """An experiment runs while the line is slow, and no shard is taken anew."""
    place.simulate("quick")
    way.rate = SLOW
    try:
        place.open_controller()
        place.submit_all(place.document("slow", trials=TRIALS))
        place.holds(DONE, within=PATIENCE)
    finally:
        way.rate = 0
    check(place)
    assert place.postgres.value("SELECT count(*) FROM ownership") == PARTITIONS
    assert min(way.there.passed, way.back.passed) > SLOW, "it is this line that they use"


def test_a_slow_line_to_the_database_costs_no_lease(place: Installation) -> None:
    with line(place.postgres.cluster / SOCKET) as way:
        url = f"postgresql://{ROLE}@127.0.0.1:{way.port}/postgres"
        place.variables = {"TRIALSTREAM_DATABASE": url}
        runs_over(place, way)


@pytest.mark.long  # its broker takes longer to start than the rest
def test_a_slow_line_to_the_broker_costs_no_lease(
    there: Installation, far: tuple[Line, Brokers]
) -> None:
    runs_over(there, far[0])


@pytest.fixture
def throttled(there: Installation, far: tuple[Line, Brokers]) -> Iterator[Installation]:
    """All our clients share a quota."""

    def alter(*what: str) -> None:
        who = ("--entity-type", "clients", "--entity-name", CLIENT)
        far[1].command("cli", "kafka-configs", "--alter", *who, *what)

    names = ("producer_byte_rate", "consumer_byte_rate")
    alter("--add-config", ",".join(f"{name}={QUOTA}" for name in names))
    yield there
    alter("--delete-config", ",".join(names))


@pytest.mark.long  # as above
async def test_a_broker_that_throttles_delays_and_loses_nothing(
    throttled: Installation, record_property: Say
) -> None:
    """A flood takes the whole quota, and an experiment is stopped meanwhile."""
    throttled.simulate("endless")
    controller = psutil.Process(throttled.open_controller().process.pid)
    await asyncio.to_thread(throttled.submit, "asked", trials=TRIALS)
    before = controller.memory_info().rss
    async with (
        open_bus(throttled.settings) as bus,
        bus.subscribe(topics.EVENTS, 0, 0) as subscription,
        asyncio.TaskGroup() as tasks,
    ):
        began = time.monotonic()
        tasks.create_task(flood(bus))
        hearing = tasks.create_task(hear(subscription))
        await eventually_async(lambda: subscription.position > FLOOD / 2)
        asked = time.monotonic()
        await asyncio.to_thread(throttled.ask, "asked", StopRequested())
        await asyncio.to_thread(throttled.holds, DONE, within=HEARD_SECONDS)
        stopped = time.monotonic() - asked
        heard = await hearing
        took = time.monotonic() - began
    record_property(MEASURED, f"a stop amid a throttled flood of {took:.1f} s: {stopped:.1f} s")
    assert heard == list(range(FLOOD))
    assert took > FLOOD * EACH / QUOTA - QUOTA_SECONDS, "it has throttled"
    assert controller.memory_info().rss - before < GROWTH


async def flood(bus: KafkaBus) -> None:
    for first in range(0, FLOOD, 50):
        numbers = range(first, first + 50)
        await bus.publish(
            [replace(record(one, topic=topics.EVENTS), key=os.urandom(EACH)) for one in numbers]
        )


async def hear(subscription: Subscription) -> list[int]:
    heard: list[int] = []
    while len(heard) < FLOOD:
        heard += [
            int(one.record.value)
            for one in await subscription.fetch(500, 2)
            if len(one.record.key or b"") == EACH
        ]
    return heard


@pytest.mark.long  # it is away for ten minutes
def test_a_broker_that_is_away_for_ten_minutes_is_waited_for(
    there: Installation, far: tuple[Line, Brokers], record_property: Say
) -> None:
    way, broker = far
    there.simulate("quick")
    controller = psutil.Process(there.open_controller().process.pid)
    there.submit("waiting", trials=MANY)
    there.holds("EXISTS (SELECT FROM trial WHERE ordinal IS NOT NULL)")
    decided = eventually(lambda: cut(there, way), "something that was decided waits")
    broker.kill()
    time.sleep(AWAY_SECONDS / 10)
    before, tried = controller.memory_info().rss, way.connections
    time.sleep(AWAY_SECONDS * 0.9)
    tries = (way.connections - tried) / (AWAY_SECONDS * 0.9)
    grown = controller.memory_info().rss - before
    assert there.postgres.value("SELECT count(*) FROM outbox") == decided
    assert 0 < tries < TRIES_A_SECOND
    assert grown < GROWTH
    concluded = there.postgres.value("SELECT count(*) FROM trial WHERE ordinal IS NOT NULL")
    broker.start()
    way.is_cut = False
    began = time.monotonic()
    more = "(SELECT count(*) FROM trial WHERE ordinal IS NOT NULL) > $1"
    there.holds(more, concluded, within=BACK_SECONDS)
    back = time.monotonic() - began
    record_property(
        MEASURED,
        f"without a broker: {tries:.1f} connections a second, {grown / 2**20:.1f} MiB more, "
        f"{back:.1f} s until all goes on",
    )
    there.holds(DONE)
    check(there, MANY)
    published = there.postgres.ask(invariants.published_facts)
    assert (
        invariants.every_fact_is_published(published, Stream(there.settings, topics.EVENTS).read())
        == []
    )


def cut(place: Installation, way: Line) -> int:
    """Cut the line while something waits to be published: how much that is."""
    way.cut()
    time.sleep(1)  # what has been read by then is decided on
    waiting: int = place.postgres.value("SELECT count(*) FROM outbox")
    if not waiting:
        way.is_cut = False
    return waiting
