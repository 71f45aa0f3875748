"""A collector of a pod that is killed goes on in the same container, and hears of the end."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from events.bus.kafka import KafkaSettings
from tests.collectors.shipping import SECONDS, SHARD, Shipment, arrived, losses
from tests.eventually import eventually

ENTRY = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
from collectors.guarded import collect_guarded
raise SystemExit(collect_guarded())
"""
"""As deploy/image/collect begins."""


@contextmanager
def guarded(shipment: Shipment) -> Iterator[psutil.Popen]:
    key = shipment.key
    words = (
        f"--experiment {key.experiment} --trial {key.trial} --shard {SHARD} --metric loss "
        f"--file {shipment.file} --spool {shipment.spool}"
    )
    assert shipment.kafka
    process = psutil.Popen(
        [sys.executable, "-c", ENTRY, *words.split()],
        env={**os.environ, **shipment.kafka.to_environment()},
    )
    try:
        yield process
    finally:
        for one in [*children(process), process]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()


def children(process: psutil.Popen) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return list(process.children())
    return []


def collector(process: psutil.Popen) -> psutil.Process:
    """The child that collects."""
    return eventually(lambda: children(process))[0]


def test_one_that_is_killed_goes_on_and_loses_nothing(tmp_path: Path, kafka: KafkaSettings) -> None:
    shipment = Shipment(tmp_path, kafka)
    with guarded(shipment) as process:
        for n in range(3):
            shipment.write(f"loss={n}\n")
            arrived(kafka, shipment.key, n + 1)
            collector(process).kill()
        shipment.write("loss=3\n")
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    assert losses(arrived(kafka, shipment.key)) == [(n + 1, float(n)) for n in range(4)]


def test_one_that_is_killed_after_the_end_reads_the_rest(
    tmp_path: Path, kafka: KafkaSettings
) -> None:
    """Whoever comes after it hears of the end, too, however early."""
    shipment = Shipment(tmp_path, kafka)
    shipment.write("loss=1\n")
    with guarded(shipment) as process:
        first = collector(process)
        first.suspend()
        process.send_signal(signal.SIGTERM)
        first.kill()
        assert process.wait(SECONDS) == 0
    assert losses(arrived(kafka, shipment.key)) == [(1, 1.0)]


def test_one_that_is_always_killed_is_left_to_whoever_started_it(
    tmp_path: Path, kafka: KafkaSettings
) -> None:
    with guarded(Shipment(tmp_path, kafka)) as process:
        while process.poll() is None:
            for child in children(process):
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        assert process.wait() == 128 + signal.SIGKILL
