"""Local trials with a collector beside each: it is told of, started again when it dies, and
outlives everybody."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import pytest

from collectors.command import command_line
from controller.cluster import Ended, Event, Launch, Started
from controller.cluster.local.attempts import Attempt
from controller.cluster.local.cluster import LocalCluster
from events.bus.kafka import KafkaSettings
from events.facts import Cause
from tests.collectors.exposing import COLLECTOR, EXPOSING
from tests.collectors.shipping import SHARD, arrived, losses
from tests.controller.cluster.identity import identity
from tests.eventually import eventually

Make = Callable[..., Launch]
NOWHERE = KafkaSettings("127.0.0.1:1")
GROWING = (
    "n=0; until test -e {gate}; do n=$((n+1)); echo loss=$n; sleep 0.02; done; echo loss=-1; env"
)


@dataclass(frozen=True)
class Site:
    """One machine's local trials, whose collectors report to a Kafka."""

    data: Path
    kafka: KafkaSettings

    @asynccontextmanager
    async def cluster(self) -> AsyncIterator[LocalCluster]:
        def collector(launch: Launch, file: Path, folder: Path) -> tuple[list[str], dict[str, str]]:
            command = command_line(
                launch.key, SHARD, launch.spec.metrics_collector_spec, ["loss"], file, folder / "s"
            )
            return command, self.kafka.to_environment()

        async with LocalCluster.open(self.data, grace=0.5, collector=collector) as cluster:
            yield cluster

    def folder(self, launch: Launch) -> Path:
        return Path(self._attempt(launch).folder)

    def collectors(self, launch: Launch) -> list[psutil.Process]:
        """The collector processes of an attempt that run now."""
        mine = str(self.folder(launch) / "s")
        return [one for one in psutil.process_iter() if mine in _arguments(one)]

    def replaced(self, launch: Launch, dead: psutil.Process) -> bool:
        return self.collectors(launch) not in ([], [dead])

    def supervisor(self, launch: Launch) -> psutil.Process:
        running = self._attempt(launch).start_record()
        assert running
        parent = psutil.Process(running.pid).parent()
        assert parent
        return parent

    def points(self, launch: Launch, count: int | None = None) -> list[tuple[int, float]]:
        return losses(arrived(self.kafka, launch.key, count))

    def written(self, launch: Launch) -> list[tuple[int, float]]:
        """What the trial printed."""
        text = (self.folder(launch) / "log").read_text()
        values = [float(line[5:]) for line in text.splitlines() if line.startswith("loss=")]
        return list(enumerate(values, 1))

    def _attempt(self, launch: Launch) -> Attempt:
        key = launch.key
        return Attempt(str(self.data.resolve()), f"{key.experiment}/{key.trial}/{key.attempt}")


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


@pytest.fixture(autouse=True)
def nothing_left(data: Path) -> Iterator[None]:
    """Also of a test that fails: supervisors wait long for their collectors."""
    yield
    for one in psutil.process_iter():
        if any(str(data) in word for word in _arguments(one)):
            with suppress(psutil.NoSuchProcess):
                one.kill()


@pytest.fixture
def site(data: Path, kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The environment here has what trials must not know."""
    for name, value in kafka.to_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TRIALSTREAM_KAFKA_PASSWORD", "secret")
    monkeypatch.setenv("TRIALSTREAM_DATABASE", "postgresql://secret")
    monkeypatch.setenv("ELSE", "known")
    return Site(data, kafka)


async def events(cluster: LocalCluster, launch: Launch) -> list[Event]:
    """What is told of an attempt, to its end."""
    found: list[Event] = []
    async with asyncio.timeout(60):
        async for event in cluster.watch():
            if event.key == launch.key:
                found.append(event)
                if isinstance(event, Ended):
                    return found
    raise AssertionError("closed")


async def test_a_trial_and_its_collector(site: Site, launch: Make, tmp_path: Path) -> None:
    trial = launch(1, "sh", "-c", GROWING.format(gate=tmp_path / "gate"))

    ended = Ended(trial.key, Cause.COMPLETED, 0, "", True)
    async with site.cluster() as cluster:
        await cluster.start(trial)
        await asyncio.to_thread(site.points, trial, 5)
        async with site.cluster() as other:  # one that comes later hears the same
            await other.sweep(identity(trial), [trial.key], lambda key: True)
            (tmp_path / "gate").touch()
            assert set(await events(other, trial)) == {Started(trial.key, True), ended}
        found = await events(cluster, trial)
    assert found == [Started(trial.key, True), ended]
    assert site.points(trial) == site.written(trial)
    eventually(lambda: not site.collectors(trial))
    environment = (site.folder(trial) / "log").read_text()
    assert "ELSE=known" in environment
    assert "TRIALSTREAM_KAFKA" not in environment
    assert "TRIALSTREAM_DATABASE" not in environment
    assert "secret" not in environment


async def test_what_it_exposes_is_read_at_the_port_it_was_given(site: Site, launch: Make) -> None:
    trial = launch(1, sys.executable, "-c", EXPOSING, metricsCollectorSpec=COLLECTOR)
    async with site.cluster() as cluster:
        await cluster.start(trial)
        ended = (await events(cluster, trial))[-1]
        assert isinstance(ended, Ended)
        assert ended.cause is Cause.COMPLETED
    found = await asyncio.to_thread(site.points, trial)
    assert found == [(1, 0.5), (2, 0.25), (3, 0.125)]


async def test_what_never_ran_has_no_collector(site: Site, launch: Make) -> None:
    lost, stopped = launch(1, "no-such-program"), launch(2, "true")

    async with site.cluster() as cluster:
        await cluster.start(lost)
        failed = await events(cluster, lost)
        await cluster.stop(stopped.key)
        await cluster.start(stopped)
        (failure,), (cancelled, *_) = failed, await events(cluster, stopped)
    assert isinstance(failure, Ended)
    assert isinstance(cancelled, Ended)
    assert (failure.cause, failure.collector) == (Cause.SPAWN_FAILURE, False)
    assert (cancelled.cause, cancelled.collector) == (Cause.CANCELLED, False)
    assert not site.collectors(lost) + site.collectors(stopped)
    assert not (site.folder(stopped) / "collector.log").exists()


async def test_a_killed_collector_is_started_again(
    site: Site, launch: Make, tmp_path: Path
) -> None:
    trial = launch(1, "sh", "-c", GROWING.format(gate=tmp_path / "gate"))

    async with site.cluster() as cluster:
        await cluster.start(trial)
        for count in (5, 60):
            await asyncio.to_thread(site.points, trial, count)
            (one,) = site.collectors(trial)
            one.kill()
            await asyncio.to_thread(eventually, partial(site.replaced, trial, one))
        (tmp_path / "gate").touch()
        found = await events(cluster, trial)
    assert found[-1] == Ended(trial.key, Cause.COMPLETED, 0, "", True)
    assert site.points(trial) == site.written(trial)


async def test_a_collector_killed_after_the_end_of_its_trial_is_started_again(
    site: Site, launch: Make
) -> None:
    """Stopped first, so that it cannot have finished."""
    trial = launch(1, "sh", "-c", "echo loss=1; sleep 60")

    async with site.cluster() as cluster:
        await cluster.start(trial)
        await asyncio.to_thread(site.points, trial, 1)
        (one,) = site.collectors(trial)
        one.suspend()
        supervisor = site.supervisor(trial)
        await cluster.stop(trial.key)
        end = (await events(cluster, trial))[-1]
        assert isinstance(end, Ended)
        assert end.collector
        one.kill()
    supervisor = supervisor
    assert site.points(trial) == [(1, 1.0)]
    eventually(lambda: not supervisor.is_running() and not site.collectors(trial))


async def test_a_collector_outlives_its_supervisor(
    site: Site, launch: Make, tmp_path: Path
) -> None:
    trial = launch(1, "sh", "-c", GROWING.format(gate=tmp_path / "gate"))

    async with site.cluster() as cluster:
        await cluster.start(trial)
        await asyncio.to_thread(site.points, trial, 5)
        (one,) = site.collectors(trial)
        one.suspend()
        site.supervisor(trial).kill()
        found = await events(cluster, trial)
        one.resume()
        found = found
    end = found[-1]
    assert isinstance(end, Ended)
    assert (end.cause, end.collector) == (Cause.LOST, True)
    assert site.points(trial) == site.written(trial)
    assert site.written(trial)[-1][1] > 0  # the trial died with its supervisor
    eventually(lambda: not site.collectors(trial))


async def test_a_collector_that_cannot_start_is_tried_again(
    data: Path, launch: Make, tmp_path: Path
) -> None:
    """Its trial runs meanwhile, and whoever asks is told that somebody will report."""
    trial, program = launch(1, "true"), tmp_path / "collector"

    async with LocalCluster.open(
        data, collector=lambda *_: ([str(program)], dict(os.environ))
    ) as cluster:
        pins = launch(2, "sleep", "60")
        await cluster.start(pins)
        await cluster.start(trial)
        supervisor = Site(data, NOWHERE).supervisor(pins)
        assert await events(cluster, trial) == [
            Started(trial.key, True),
            Ended(trial.key, Cause.COMPLETED, 0, "", True),
        ]
        before = supervisor.num_fds()
        eventually(lambda: complaints(data) >= 6)
        eventually(lambda: supervisor.num_fds() <= before)  # a failure leaves nothing open
        program.write_text(f"#!/bin/sh\ncat\necho $PWD >> {tmp_path}/done\n")
        program.chmod(0o755)
        await cluster.stop(pins.key)
    supervisor = supervisor
    eventually(lambda: not supervisor.is_running())
    folders = (tmp_path / "done").read_text().splitlines()
    assert sorted(folders) == sorted(
        str(one.parent) for one in data.resolve().glob("experiments/*/*/*/collector.log")
    )
    assert len(folders) == 2


def complaints(data: Path) -> int:
    return sum(
        log.read_text().count("cannot be started") for log in (data / "supervisors").glob("*.log")
    )


@pytest.mark.skipif(
    sys.platform != "linux", reason="limits of other processes are set on Linux only"
)
async def test_a_supervisor_without_file_descriptors_keeps_its_trials(
    site: Site, launch: Make, tmp_path: Path
) -> None:
    trial = launch(1, "sh", "-c", GROWING.format(gate=tmp_path / "gate"))

    async with site.cluster() as cluster:
        await cluster.start(trial)
        await asyncio.to_thread(site.points, trial, 5)
        supervisor = site.supervisor(trial)
        known = supervisor.rlimit(psutil.RLIMIT_NOFILE)
        supervisor.rlimit(psutil.RLIMIT_NOFILE, (supervisor.num_fds() - 1, known[1]))
        (one,) = site.collectors(trial)
        one.kill()
        await asyncio.to_thread(eventually, lambda: complaints(site.data) >= 2)
        supervisor.rlimit(psutil.RLIMIT_NOFILE, known)
        (tmp_path / "gate").touch()
        found = await events(cluster, trial)
    assert found[-1] == Ended(trial.key, Cause.COMPLETED, 0, "", True)
    assert site.points(trial) == site.written(trial)
