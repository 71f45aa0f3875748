"""A network that is slow, a broker that throttles, and one that is away for long."""

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from controller.store.embedded import ROLE, SOCKET
from events import topics
from events.bus.kafka.topics import PARTITIONS
from tests.brokers import Brokers, brokers
from tests.eventually import eventually
from tests.faults import invariants
from tests.faults.installation import Installation, installation
from tests.faults.stream import Stream
from tests.line import Line, line
from tests.ports import free_port
from tests.tiers import LONG

SLOW = (100_000 if LONG else 400_000) / 8
"""Bytes a second of the slow line, each way."""
TRIALS, MANY = 8, 100
DONE = "count(*) = 1 FROM experiment WHERE concluded_at IS NOT NULL"
AWAY_SECONDS, BACK_SECONDS = 600.0, 15.0
"""How long the broker is away, and how soon all goes on when it is back."""
TRIES_A_SECOND = 60.0
"""Connections at most of a controller without a broker, all its clients together."""
GROWTH = 16 * 2**20
"""Bytes by which a controller that waits may grow."""


@pytest.fixture(scope="module")
def far() -> Iterator[tuple[Line, Brokers]]:
    """A broker at the end of a line, which all its clients use."""
    port = free_port()
    with (
        line(port) as way,
        brokers("--port", str(port), "--advertise", f"127.0.0.1:{way.port}") as opened,
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
        place.submit("slow", trials=TRIALS)
        place.holds(DONE)
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


def test_a_slow_line_to_the_broker_costs_no_lease(
    there: Installation, far: tuple[Line, Brokers]
) -> None:
    runs_over(there, far[0])


@pytest.mark.long  # it is away for ten minutes
def test_a_broker_that_is_away_for_ten_minutes_is_waited_for(
    there: Installation, far: tuple[Line, Brokers]
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
    print(f"\n{tries:.1f} connections a second, grown by {grown:,} bytes, {decided} wait")
    assert there.postgres.value("SELECT count(*) FROM outbox") == decided
    assert 0 < tries < TRIES_A_SECOND
    assert grown < GROWTH
    concluded = there.postgres.value("SELECT count(*) FROM trial WHERE ordinal IS NOT NULL")
    broker.start()
    way.is_cut = False
    began = time.monotonic()
    more = "(SELECT count(*) FROM trial WHERE ordinal IS NOT NULL) > $1"
    there.holds(more, concluded, within=BACK_SECONDS)
    print(f"it went on after {time.monotonic() - began:.1f} s")
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
