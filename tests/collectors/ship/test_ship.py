"""What a trial reports arrives in Kafka once, in order and to the last line, whatever dies in
between."""

import asyncio
import random
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest

from collectors.ship.collect import ALL_READ
from collectors.ship.spool import Spool
from collectors.sources.tail import MAX_POINTS
from events import topics
from events.bus.kafka import KafkaSettings
from events.bus.kafka.topics import create
from events.envelope import decode
from events.metrics import MetricsReported
from tests.brokers import Brokers, brokers
from tests.collectors.shipping import SHARD, Shipment, arrived, ends, losses
from tests.eventually import eventually


@pytest.fixture
def shipment(tmp_path: Path, kafka: KafkaSettings) -> Shipment:
    return Shipment(tmp_path, kafka)


def lines(first: int, last: int) -> str:
    return "".join(f"step {n}: loss={n / 8}\nnothing here\n" for n in range(first, last + 1))


def expected(last: int) -> list[tuple[int, float]]:
    return [(n, n / 8) for n in range(1, last + 1)]


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def without_broker(folder: Path) -> Shipment:
    return Shipment(folder, KafkaSettings(f"127.0.0.1:{closed_port()}"))


@contextmanager
def spool_of(shipment: Shipment) -> Iterator[Spool]:
    one = Spool(shipment.spool, topics.METRICS, SHARD, b"", 0)
    try:
        yield one
    finally:
        one.close()


def spooled(shipment: Shipment) -> int:
    """Points that wait for delivery."""
    with spool_of(shipment) as spool:
        bodies = [decode(record).body for _, record in spool.oldest(1_000_000)]
    return sum(len(body.points) for body in bodies if isinstance(body, MetricsReported))


def all_read(shipment: Shipment) -> bool:
    with spool_of(shipment) as spool:
        return spool.state() == ALL_READ


def all_of(shipment: Shipment) -> list[tuple[int, float]]:
    assert shipment.kafka
    return losses(arrived(shipment.kafka, shipment.key))


def test_a_growing_file_arrives_while_it_grows(shipment: Shipment) -> None:
    assert shipment.kafka
    with shipment.collector() as child:
        for part in range(20):
            shipment.write(lines(50 * part + 1, 50 * part + 50))
            if part in (0, 7):
                arrived(shipment.kafka, shipment.key, 50 * part + 50)
        shipment.write("acc=nan\nacc=0.5 loss=-1")
        assert ends(child) == 0
    points = arrived(shipment.kafka, shipment.key)
    assert losses(points) == [*expected(1000), (1001, -1.0)]
    assert repr(losses(points, "acc")) == "[(1, nan), (2, 0.5)]"
    assert (
        "not delivered" not in shipment.said
    )  # aiokafka may have waited for the leader of the new topic, and said so


def test_a_file_that_never_appears_is_complete(shipment: Shipment) -> None:
    with shipment.collector() as child:
        assert ends(child) == 0
    assert all_of(shipment) == []


def test_a_long_file_is_read_to_its_end(shipment: Shipment) -> None:
    """Longer than one read, one record and one delivery; read only once the trial has ended."""
    shipment.write(lines(1, 60_000))
    with shipment.collector() as child:
        assert ends(child) == 0
    assert all_of(shipment) == expected(60_000)


def test_lines_that_come_all_the_time_wait_for_each_other_but_not_at_the_end(
    shipment: Shipment,
) -> None:
    patient = replace(shipment, options=("--linger", "600"))
    patient.write(lines(1, 1))
    assert patient.kafka
    with patient.collector() as child:
        arrived(patient.kafka, patient.key, 1)
        with spool_of(patient) as spool:
            before = spool.state()
            patient.write(lines(2, 3))
            time.sleep(0.5)
            assert spool.state() == before
        assert ends(child) == 0
    assert all_of(patient) == expected(3)


def test_an_end_before_it_is_ready_is_heard_where_it_was_held_back(shipment: Shipment) -> None:
    """As the image's entry holds it back: process 1 of a container never hears of a signal that it
    does not await."""
    shipment.write(lines(1, 3))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # inherited
    try:
        with shipment.collector("--until", "sigterm") as child:
            child.send_signal(signal.SIGTERM)
            assert child.wait(60) == 0
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    assert losses(arrived(shipment.kafka, shipment.key)) == expected(3)  # type: ignore[arg-type]


def test_sigterm_tells_the_end(shipment: Shipment) -> None:
    with shipment.collector("--until", "sigterm") as child:
        shipment.write(lines(1, 10))
        assert shipment.kafka
        arrived(shipment.kafka, shipment.key, 10)  # so it listens to signals now
        shipment.write(lines(11, 5000) + "loss=7")
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0
    assert all_of(shipment) == [*expected(5000), (5001, 7.0)]


@pytest.mark.parametrize("seed", range(2))
def test_killed_again_and_again(shipment: Shipment, seed: int) -> None:
    """At moments between the start of the program and the end of the delivery; the next one goes
    on."""
    chance = random.Random(seed)
    written = 0
    for _ in range(4):
        with shipment.collector() as child:
            limit = time.monotonic() + chance.uniform(0.2, 1.6)
            while time.monotonic() < limit:
                more = chance.randint(1, 400)
                shipment.write(lines(written + 1, written + more))
                written += more
                time.sleep(0.01)
            child.kill()
    with shipment.collector() as child:
        assert ends(child) == 0
    assert all_of(shipment) == expected(written)


def test_killed_between_completion_and_delivery(tmp_path: Path, kafka: KafkaSettings) -> None:
    """The file is read no more once all of it is in the spool: it may be gone then."""
    away = without_broker(tmp_path)
    away.write(lines(1, 100))
    with away.collector() as child:
        assert child.stdin
        child.stdin.close()
        eventually(lambda: all_read(away))
        child.kill()
    away.file.unlink()
    again = replace(away, kafka=kafka)
    with again.collector() as child:
        assert ends(child) == 0
    assert all_of(again) == expected(100)
    with again.collector() as child:  # a spool that is done stays done
        assert ends(child) == 0
    assert all_of(again) == expected(100)


def test_a_file_written_anew_while_nobody_reads(tmp_path: Path, kafka: KafkaSettings) -> None:
    """What was read before is kept, delivered or not, and what comes now is counted on from
    there."""
    away = without_broker(tmp_path)
    for first, last in ((1, 100), (101, 150)):
        away.file.write_text(lines(first, last))
        with away.collector() as child:
            eventually(partial(lambda count: spooled(away) == count, last))
            child.kill()
    there = replace(away, kafka=kafka)
    there.file.write_text(lines(151, 170))
    with there.collector() as child:
        assert ends(child) == 0
    assert all_of(there) == expected(170)


def test_a_broker_that_stays_away_is_asked_ever_less_often(tmp_path: Path) -> None:
    away = without_broker(tmp_path)
    away.write(lines(1, 1))
    with away.collector():
        eventually(lambda: away.said.count("not delivered yet") >= 6)
    moments = [
        datetime.fromisoformat(line[:23])
        for line in away.said.splitlines()
        if "not delivered yet" in line
    ]
    assert "is TRIALSTREAM_KAFKA right" in away.said
    assert [(b - a).total_seconds() for a, b in pairwise(moments)][4] > 0.75


@pytest.fixture(scope="module")
def broker() -> Iterator[Brokers]:
    with brokers() as opened:
        yield opened


def test_a_broker_away_until_after_the_end(tmp_path: Path, broker: Brokers) -> None:
    there = Shipment(tmp_path, replace(broker.settings, prefix=f"ship-{uuid4().hex[:8]}"))
    assert there.kafka
    asyncio.run(create(there.kafka))
    with there.collector() as child:
        there.write(lines(1, 500))
        arrived(there.kafka, there.key, 500)
        broker.kill()
        there.write(lines(501, 9000))
        eventually(lambda: spooled(there) == 8500)
        assert child.stdin
        child.stdin.close()
        eventually(lambda: all_read(there))
        broker.start()
        assert child.wait(60) == 0
    assert all_of(there) == expected(9000)


def test_a_full_spool_waits_for_the_broker(tmp_path: Path, broker: Brokers) -> None:
    """Then the file itself is the spool: it is read on when there is room."""
    kafka = replace(broker.settings, prefix=f"ship-{uuid4().hex[:8]}")
    there = Shipment(tmp_path, kafka, options=("--spool-bytes", "20000"))
    asyncio.run(create(kafka))
    broker.kill()
    there.write(lines(1, 100_000))
    with there.collector() as child:
        eventually(lambda: spooled(there) > 0)
        tried = there.said.count("not delivered yet")
        there.write(lines(100_001, 110_000))
        assert child.stdin
        child.stdin.close()
        eventually(lambda: there.said.count("not delivered yet") >= tried + 3)
        assert spooled(there) == MAX_POINTS  # one read more than there is room for, at most
        assert sum(one.stat().st_size for one in there.spool.iterdir()) < 2_000_000
        broker.start()
        assert child.wait(60) == 0
    assert all_of(there) == expected(110_000)


def test_without_a_broker_it_gives_up_in_the_end(tmp_path: Path) -> None:
    away = replace(without_broker(tmp_path), options=("--patience", "0.5"))
    away.write(lines(1, 3))
    with away.collector() as child:
        assert ends(child) == 1
    assert f"gave up, what is not delivered stays in {away.spool}" in away.said
    assert spooled(away) == 3


def test_without_a_kafka_it_says_so(tmp_path: Path) -> None:
    nowhere = Shipment(tmp_path, None)
    with nowhere.collector() as child:
        assert child.wait(30) == 2
    assert (
        nowhere.said
        == "Error: TRIALSTREAM_KAFKA is not set: it names the Kafka to deliver to, as host:port\n"
    )


@pytest.mark.parametrize("spec", ["{", '{"collector": {"kind": "Telepathy"}}'])
def test_a_spec_that_cannot_be_read(tmp_path: Path, spec: str) -> None:
    away = without_broker(tmp_path)
    with away.collector("--spec", spec) as child:
        assert child.wait(30) == 2
    assert away.said.startswith("Error: ")
    assert "MetricsCollectorSpec" in away.said
    assert "Traceback" not in away.said
