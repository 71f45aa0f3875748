"""What sources promise, whoever reads them: each report once, in order, to the last, with the step
that docs/metrics.md gives it, although the reader is killed in the middle."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from collectors.ship.collect import ALL_READ
from collectors.ship.spool import Spool
from collectors.sources import Source
from collectors.sources.noted import Noted
from collectors.sources.registry import reads_alike_again, source_for
from events import topics
from events.bus.kafka import KafkaSettings
from events.clock import now
from events.envelope import decode
from events.metrics import MetricsReported, Point
from events.spec.objective import Summary
from tests.collectors.shipping import SHARD, Shipment
from tests.collectors.storing import Stored
from tests.collectors.writing import PROGRAMS, Program, program
from tests.eventually import eventually

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
NOWHERE = KafkaSettings("127.0.0.1:1")
"""Whatever is collected stays in the spool."""


class Reading(Protocol):
    """Reads one attempt until it is killed; another one goes on."""

    def has(self, count: int) -> bool:
        """Were at least so many points read by now?"""
        ...

    def kill(self) -> None: ...

    def finish(self) -> Stored:
        """The attempt has ended: what is stored in the end."""
        ...


class InProcess:
    """As `run` reads: of what it returned last, nothing is stored when it is killed."""

    def __init__(self, one: Program) -> None:
        self.program, self.stored, self.epoch = one, Stored(), 0
        self.unstored: list[Point] = []
        self.source = self._open()

    def _open(self) -> Noted | Source:
        self.epoch += 1
        spec, place = self.program.spec, self.program.place
        source = source_for(spec, ["loss"], place, now)
        if reads_alike_again(spec):
            return source
        return Noted(source, place.parent, self.epoch, self.stored.last_steps)

    def has(self, count: int) -> bool:
        self.unstored += self.source.read()
        if len({point.step for point in [*self.stored.points, *self.unstored]}) >= count:
            return True
        self.store()
        return False

    def store(self) -> None:
        self.stored.add(self.unstored)
        self.unstored = []

    def kill(self) -> None:
        self.unstored = []
        self.source = self._open()

    def finish(self) -> Stored:
        self.store()
        while points := self.source.finish():
            self.stored.add(points)
        return self.stored


class CollectorProcess:
    """As a collector beside a trial reads; it is killed with SIGKILL."""

    def __init__(self, one: Program, children: ExitStack) -> None:
        self.shipment = Shipment(
            one.place.parent, NOWHERE, options=("--linger", "0"), metrics=("loss",), spec=one.spec
        )
        self.children = children
        self.child = self._started()

    def _started(self) -> "subprocess.Popen[bytes]":
        return self.children.enter_context(self.shipment.collector())

    @contextmanager
    def _spool(self) -> Iterator[Spool]:
        spool = Spool(self.shipment.spool, topics.METRICS, SHARD, b"", 0)
        try:
            yield spool
        finally:
            spool.close()

    def _points(self) -> list[Point]:
        with self._spool() as spool:
            bodies = [decode(record).body for _, record in spool.oldest(1_000)]
        return [
            point for body in bodies if isinstance(body, MetricsReported) for point in body.points
        ]

    def has(self, count: int) -> bool:
        return len(self._points()) >= count

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()
        self.child = self._started()

    def _is_done(self) -> bool:
        with self._spool() as spool:
            return spool.state() == ALL_READ

    def finish(self) -> Stored:
        assert self.child.stdin
        self.child.stdin.close()
        eventually(self._is_done)
        stored = Stored()
        stored.add(self._points())
        return stored


READERS: dict[str, Callable[[Program, ExitStack], Reading]] = {
    "in this process": lambda one, _: InProcess(one),
    "a collector process": CollectorProcess,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", PROGRAMS)
def test_each_report_counts_once(kind: str, reader: str, tmp_path: Path) -> None:
    """Also one that says the same as that before, and one that is late; and what is reported until
    the end."""
    with ExitStack() as opened:
        one = opened.enter_context(program(kind, tmp_path / "log"))
        reading = READERS[reader](one, opened)
        reports = [(0, 0.75), (2, 0.25), (2, 0.25), (1, 0.125), (-5, 0.5)]
        if not one.repeats:
            del reports[2]
        for count, (seconds, loss) in enumerate(reports, 1):
            one.report(loss, NOON + timedelta(seconds=seconds))
            if count < len(reports):
                eventually(partial(reading.has, count), f"{count} points")
            if count == 2:
                reading.kill()
        one.end()
        stored = reading.finish()
    values = [loss for _, loss in reports]
    assert stored.values() == list(enumerate(values, 1))
    summary = stored.curves["loss"].summary
    latest = 0.25 if one.dates else 0.5
    assert summary == Summary(min=0.125, max=0.75, latest=latest, count=len(values))
    if one.dates:
        assert [point.at for point in stored.points] == [
            NOON + timedelta(seconds=seconds) for seconds, _ in reports
        ]
