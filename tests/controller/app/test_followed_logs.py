"""A log that the controller follows takes little room, however much a pod prints, and all of it is
read once."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from collectors.limits import USUAL
from collectors.parsers.text import Text
from collectors.sources.tail import Tail
from controller.app.kubernetes import PodLog, _follow
from controller.cluster import AttemptKey, Ended, Event, Started
from controller.cluster.kubernetes import logs as bounds
from controller.cluster.kubernetes.api import open_api
from controller.cluster.kubernetes.cluster import KubernetesCluster
from controller.cluster.kubernetes.labels import (
    RULES,
    labels_of,
    workload_name,
    write_rules,
)
from controller.cluster.kubernetes.logs import Logs
from controller.cluster.kubernetes.pods import Pod
from events.clock import now
from events.facts import Cause
from events.ids import ExperimentId, TrialNumber
from events.metrics import Point
from tests.controller.cluster.kubernetes.objects import JOB
from tests.controller.cluster.kubernetes.recorded_api import listed, recorded_api, said
from tests.controller.cluster.kubernetes.test_isolation import CLUSTER, SETTINGS, identity, launch
from tests.controller.cluster.kubernetes.test_logs import no_room_beyond
from tests.eventually import eventually_async

LINES, NOISE = 4_000, 500
"""Lines of a log, and bytes that each has beside its value."""
BOUND = 200_000


class Followed:
    """The logs of two pods, and one reader of each that is read."""

    def __init__(self, logs: Logs) -> None:
        self.logs = logs
        self.keys = [AttemptKey(ExperimentId(uuid4()), TrialNumber(1), one) for one in (1, 2)]
        self.largest = 0

    def follow(self, place: int) -> None:
        pod = Pod({"metadata": {"name": f"p{place}", "namespace": "n", "uid": "u"}}, "main")
        self.logs.follow(self.keys[place], pod)

    def reader(self, place: int) -> PodLog:
        key = self.keys[place]
        tail = Tail(self.logs.path(key), Text(["loss"]), now)
        return PodLog(tail, lambda: self.logs.followed.get(key))

    def on_disk(self) -> int:
        return sum(one.stat().st_size for one in self.logs.folder.iterdir())

    async def read(self, reader: PodLog, place: int, until: int | None = None) -> list[Point]:
        """What the reader finds: so many points at least, or all."""
        points: list[Point] = []
        while not self.logs.complete(self.keys[place]):
            self.largest = max(self.largest, self.on_disk())
            points += reader.read()
            if until is not None and len(points) >= until:
                return points
            await asyncio.sleep(0.001)
        while more := reader.finish():
            points += more
        return points


@asynccontextmanager
async def following(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Followed]:
    answers = {f"GET /api/v1/namespaces/n/pods/p{n}/log": said(text().encode()) for n in (0, 1)}
    folder = tmp_path / "logs"
    folder.mkdir()
    async with (
        recorded_api(answers, tmp_path, monkeypatch),
        open_api() as api,
        asyncio.TaskGroup() as tasks,
    ):
        followed = Followed(Logs(api, folder, tasks, lambda _: None))
        yield followed
        followed.logs.close()


def text() -> str:
    """A log with times, as the API gives it."""
    noise = "x" * NOISE
    return "".join(f"2026-01-01T00:00:00.{n:09}Z loss={n} {noise}\n" for n in range(1, LINES + 1))


def whole(points: list[Point]) -> bool:
    """Is each line read once, with its place as step?"""
    numbers = [(one.step, one.value) for one in points]
    return numbers == [(n, float(n)) for n in range(1, LINES + 1)]


async def test_a_log_takes_no_more_room_than_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bounds, "MOST_BYTES", BOUND)
    async with following(tmp_path, monkeypatch) as followed:
        followed.follow(0)
        assert whole(await followed.read(followed.reader(0), 0))
        assert followed.largest == BOUND
        assert "the log of pod p0 is long" in caplog.text


async def test_a_log_on_a_full_disk_is_read_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with following(tmp_path, monkeypatch) as followed:
        with no_room_beyond(BOUND):
            followed.follow(0)
            assert whole(await followed.read(followed.reader(0), 0))
        assert followed.largest == BOUND


async def test_another_reader_goes_on_where_the_one_before_had_reported_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard that is served anew reads what is there from its start: known steps are dropped."""
    monkeypatch.setattr(bounds, "MOST_BYTES", BOUND)
    async with following(tmp_path, monkeypatch) as followed:
        followed.follow(0)
        points = await followed.read(followed.reader(0), 0, until=LINES // 2)
        again = await followed.read(followed.reader(0), 0)
        found = {one.step: one.value for one in [*points, *again]}
        wrong = [step for step, value in found.items() if value != float(step)]
        assert (len(found), wrong[:3]) == (LINES, [])


async def test_logs_that_nobody_reads_leave_room_for_those_that_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "ALL_BYTES", BOUND)
    async with following(tmp_path, monkeypatch) as followed:
        followed.follow(1)
        unread = followed.logs.path(followed.keys[1])
        await eventually_async(lambda: _is_full(unread), "the log that nobody reads is full")
        followed.follow(0)
        assert whole(await followed.read(followed.reader(0), 0))
        assert not followed.logs.complete(followed.keys[1])
        assert followed.largest <= BOUND + bounds.PIECE_BYTES
        assert whole(await followed.read(followed.reader(1), 1))


async def test_who_comes_late_reads_a_long_log_of_a_pod_that_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end waits for its log, and the log for a reader."""
    monkeypatch.setattr(bounds, "MOST_BYTES", BOUND)
    one = launch(ExperimentId(uuid4()))
    complete = {"type": "Complete", "status": "True"}
    rules = write_rules(replace(JOB, sidecar=False))
    marks = {"labels": labels_of(one), "annotations": {RULES: rules}}
    meta = {"name": workload_name(one), "namespace": "n", "uid": "u", "resourceVersion": "1"}
    job = {"metadata": {**meta, **marks}, "status": {"conditions": [complete]}}
    pod = {
        "metadata": {**meta, **marks, "name": "p0"},
        "spec": {"containers": [{"name": "main"}]}, "status": {"phase": "Succeeded"},
    }  # fmt: skip
    answers = {
        **CLUSTER,
        "GET /apis/batch/v1/jobs": listed("Job", "batch/v1", job),
        "GET /api/v1/pods": listed("Pod", "v1", pod),
        "GET /api/v1/namespaces/n/pods/p0/log": said(text().encode()),
    }
    async with (
        recorded_api(answers, tmp_path, monkeypatch),
        open_api() as api,
        KubernetesCluster.open(api, SETTINGS) as cluster,
    ):
        await cluster.sweep(identity(one), {one.key}, lambda _: True)
        events = aiter(cluster.watch())
        async with asyncio.timeout(30):
            assert await anext(events) == Started(one.key, False)
            source, points = _follow(cluster, USUAL)(one, 1, dict), list[Point]()
            ended: list[Ended] = []
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_note_end(events, ended), name="note the end")
                while not ended:
                    points += source.read()
                    await asyncio.sleep(0.001)
            assert ended == [Ended(one.key, Cause.COMPLETED, 0, "", False)]
        while more := source.finish():
            points += more
        assert whole(points)


async def _note_end(events: AsyncIterator[Event], ended: list[Ended]) -> None:
    while not ended:
        if isinstance(event := await anext(events), Ended):
            ended.append(event)


async def _is_full(path: Path) -> bool:
    return path.exists() and path.stat().st_size >= BOUND
