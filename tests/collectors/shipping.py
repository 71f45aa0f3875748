"""Collector processes as they are started beside trials, and what of theirs arrives in Kafka."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from collectors.command import command_line
from events import topics
from events.bus import Record
from events.bus.kafka import KafkaSettings, open_reader
from events.envelope import decode
from events.ids import AttemptKey, ExperimentId, Shard, TrialNumber
from events.metrics import MetricsCompleted, MetricsReported, Point
from events.spec.collector import MetricsCollectorSpec

SECONDS = 60
SHARD = Shard(2)


@dataclass(frozen=True)
class Shipment:
    """One attempt's file, and collectors of it that follow each other on the same spool."""

    folder: Path
    kafka: KafkaSettings | None
    options: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ("loss", "acc")
    spec: MetricsCollectorSpec = field(default_factory=MetricsCollectorSpec)
    key: AttemptKey = field(
        default_factory=lambda: AttemptKey(ExperimentId(uuid4()), TrialNumber(7), 1)
    )

    @property
    def file(self) -> Path:
        return self.folder / "log"

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    @property
    def said(self) -> str:
        """What the collectors printed."""
        path = self.folder / "collector.log"
        return path.read_text() if path.exists() else ""

    def write(self, text: str) -> None:
        with self.file.open("a") as file:
            file.write(text)

    @contextmanager
    def collector(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """A collector that runs; whatever happens, nothing is left of it."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("TRIALSTREAM")
        }
        command = command_line(self.key, SHARD, self.spec, self.metrics, self.file, self.spool)
        with (self.folder / "collector.log").open("ab") as log:
            child = subprocess.Popen(
                [*command, *self.options, *options], stdin=subprocess.PIPE, stdout=log, stderr=log,
                env=environment | (self.kafka.to_environment() if self.kafka else {}),
                cwd=self.folder,
            )  # fmt: skip
        try:
            yield child
        finally:
            child.kill()
            child.wait()
            assert child.stdin
            child.stdin.close()


def ends(child: subprocess.Popen[bytes]) -> int:
    """Tell a collector that its trial has ended; its exit code."""
    assert child.stdin
    child.stdin.close()
    return child.wait(SECONDS)


@dataclass
class Arrivals:
    """What came of one attempt: its points, each once, in the order of their first arrival."""

    key: AttemptKey
    points: dict[tuple[str, int], Point] = field(default_factory=dict)
    complete: bool = False

    def take(self, record: Record) -> None:
        """What comes again must be the same, and nothing new may come after the completion."""
        envelope = decode(record)
        body = envelope.body
        assert isinstance(body, MetricsReported | MetricsCompleted)
        if AttemptKey(envelope.experiment, body.trial, body.attempt) != self.key:
            return
        assert record.partition == SHARD
        if isinstance(body, MetricsCompleted):
            self.complete = True
            return
        for point in body.points:
            place = point.metric, point.step
            assert place in self.points or not self.complete
            assert repr(self.points.setdefault(place, point).value) == repr(point.value)


def arrived(settings: KafkaSettings, key: AttemptKey, count: int | None = None) -> list[Point]:
    """The attempt's points: the first `count` or more, or all until nothing comes any more, with
    the completion."""
    with ThreadPoolExecutor(1) as thread:  # who asks may have an event loop
        return thread.submit(asyncio.run, _arrived(settings, Arrivals(key), count)).result()


async def _arrived(settings: KafkaSettings, found: Arrivals, count: int | None) -> list[Point]:
    async with (
        asyncio.timeout(SECONDS),
        open_reader(settings, topics.METRICS, "beginning") as reader,
    ):
        while not found.complete and (count is None or len(found.points) < count):
            for one in await reader.fetch(500, 0.2):
                found.take(one.record)
        end = (
            await reader.consumer.end_offsets(reader.consumer.assignment()) if count is None else {}
        )
        while any(reader.next[place.partition] < last for place, last in end.items()):
            for one in await reader.fetch(500, 0.2):
                found.take(one.record)
    return list(found.points.values())


def losses(points: list[Point], metric: str = "loss") -> list[tuple[int, float]]:
    """Steps and values of one metric, in order."""
    return [(point.step, point.value) for point in points if point.metric == metric]
