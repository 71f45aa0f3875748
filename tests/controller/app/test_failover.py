"""Postgres fails over to a replica that lacks the last second: what it lacks is read again from the
bus, and decided on again."""

import os
import signal
import subprocess
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

import tests.faults.invariants as invariants
from controller.cluster import AttemptKey
from controller.core.experiment import Experiment
from controller.store.embedded import ROLE, SUPERUSER
from controller.store.ledger import Ledger
from controller.store.postgres import Database, open_database
from controller.store.postgres_account import own_uid
from controller.store.postgres_programs import run
from events import topics
from events.bus import Bus
from events.bus.memory import MemorySubscription
from events.envelope import decode
from events.facts import ExperimentState
from events.ids import ExperimentId
from tests.controller.app.one_controller import SHARD, FaultyBus, installation
from tests.controller.flows.stage import Wanted
from tests.eventually import eventually_async
from tests.faults.invariants import CONTINUOUS
from tests.faults.postgres import postgres

TRIALS = 16
APART = ("I3 measurements", "I4 budgets")  # they know what other trials report


class KeepingSubscription(MemorySubscription):
    def release(self, position: int) -> None:
        """It may be read again."""


class KeepingBus(FaultyBus):
    """As Kafka, it keeps what was read."""

    durable = True

    @asynccontextmanager
    async def subscribe(
        self, topic: str, partition: int, position: int
    ) -> AsyncGenerator[MemorySubscription]:
        async with super().subscribe(topic, partition, position) as subscription:
            subscription.__class__ = KeepingSubscription
            yield subscription


@pytest.mark.long  # leases of the lost second must run out
async def test_what_a_replica_lacks_is_decided_on_again(pair: "Pair") -> None:
    """As it was: what was published comes again, the same; nothing runs twice or for nobody."""
    one = ExperimentId(uuid4())
    async with (
        open_database(pair.url, size=1) as other,
        installation(pair.url, one, kind=KeepingBus) as here,
    ):
        await here.submit(Wanted("one", TRIALS, 2, algorithm="{algorithmName: tpe}"), one)
        await concluded(other, TRIALS // 4)
        await pair.cut(other)
        await concluded(other, await count(other) + TRIALS // 4)
        had = await count(other)
        async with open_database(pair.lose(), size=1) as replica:
            assert await count(replica) < had
        pair.fail_over()
        await other.expire()
        known = await eventually_async(lambda: done(other))
        assert known is not None
        assert known.progress.state is ExperimentState.SUCCEEDED
        assert known.progress.counts.succeeded == TRIALS
        wanted = {name: each for name, each in CONTINUOUS.items() if name not in APART}
        assert await invariants.violations(other, wanted) == []
        rows = await other.fetch("SELECT number, attempt, assignment FROM trial")
        known_of = {AttemptKey(one, row[0], row[1]): row[2] for row in rows}
        assert known_of == here.faults.ran
        assert {key.attempt for key in known_of} == {1}
        assert await published_again(here.bus)


async def published_again(bus: Bus) -> int:
    """How many facts were published more than once: each was the same."""
    async with bus.subscribe(topics.EVENTS, int(SHARD), 0) as subscription:
        facts = [decode(one.record) for one in await subscription.fetch(10_000, 0.0)]
    first = {one.sequence: one for one in reversed(facts)}
    assert [one for one in facts if one != first[one.sequence]] == []
    return len(facts) - len(first)


async def done(database: Database) -> Experiment | None:
    known = await Ledger(database).find("default", "one")
    return known[0] if known and known[0].done else None


class Pair:
    """A server and its asynchronous replica; `url` leads to one of them."""

    def __init__(self, folder: Path, primary: Path) -> None:
        self.primary, self.replica = primary, folder / "replica"
        self.at = folder / "at"
        self.url = f"postgresql://{ROLE}@/postgres?host={self.at}"
        self._name = f"trialstream-{uuid4()}"

    def start(self) -> None:
        """Both from one state."""
        with (self.primary / "pg_hba.conf").open("a") as rules:
            rules.write(f"local replication {SUPERUSER} trust\n")
        subprocess.run(["cp", "--archive", self.primary, self.replica], check=True)
        with (self.replica / "postgresql.conf").open("a") as settings:
            settings.write(f"primary_conninfo = 'host=@{self._name} user={SUPERUSER}'\n")
        (self.replica / "standby.signal").touch()
        if (uid := own_uid(self.replica)) is not None:
            os.chown(self.replica / "standby.signal", uid, uid)
        for cluster, name in ((self.primary, self._name), (self.replica, f"{self._name}-2")):
            options = ("-w", "-s", "-l", "log", "-o", f"-k .,@{name}")
            self._run("pg_ctl", "start", *options, cluster=cluster)
        self._lead_to(self.primary)

    async def cut(self, database: Database) -> None:
        """From now on the replica gets nothing."""

        async def sender() -> int:
            row = await database.row("SELECT pid FROM pg_stat_replication")
            return int(row["pid"]) if row else 0

        os.kill(await eventually_async(sender, "the replica follows"), signal.SIGSTOP)

    def lose(self) -> str:
        """Kill the server, and have the replica take its place: where that is."""
        server = psutil.Process(int((self.primary / "postmaster.pid").read_text().split()[0]))
        for one in [server, *server.children(recursive=True)]:
            one.kill()
        self._run("pg_ctl", "promote", "-w", "-s", cluster=self.replica)
        return f"postgresql://{ROLE}@/postgres?host={self.replica}"

    def fail_over(self) -> None:
        """From now on the URL leads to the replica."""
        self._lead_to(self.replica)

    def stop(self) -> None:
        for cluster in (self.primary, self.replica):
            if cluster.exists():
                run(
                    "pg_ctl", "stop", "-s", "-m", "immediate", cluster=cluster, uid=own_uid(cluster)
                )

    def _lead_to(self, cluster: Path) -> None:
        draft = self.at.with_suffix(".new")
        draft.symlink_to(cluster)
        draft.replace(self.at)

    @staticmethod
    def _run(program: str, mode: str, *options: str, cluster: Path) -> None:
        done = run(program, mode, *options, cluster=cluster, uid=own_uid(cluster))
        assert done.returncode == 0, done.stderr + done.stdout


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with postgres(tmp_path / "made") as made:
        cluster = made.cluster
    pair = Pair(tmp_path, cluster)
    try:
        pair.start()
        yield pair
    finally:
        pair.stop()


async def count(database: Database) -> int:
    row = await database.row("SELECT count(*) AS n FROM trial WHERE ordinal IS NOT NULL")
    assert row is not None
    return int(row["n"])


async def concluded(database: Database, trials: int) -> None:
    async def enough() -> bool:
        return await count(database) >= trials

    await eventually_async(enough, f"{trials} trials are concluded")
