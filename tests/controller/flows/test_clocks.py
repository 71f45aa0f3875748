"""Wall-clock budgets run by the cluster's clock, however wrong the clocks of those who ask are."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from controller.cluster.simulated import Answer
from controller.core.experiment import Experiment
from controller.flows.admit import admit, check_of
from controller.flows.intake import Clocks, intake
from controller.store.clock import DatabaseClock
from controller.store.holding import Holding
from controller.store.leases import open_leases
from controller.store.ledger import Ledger
from controller.store.outbox import Mailbox
from controller.store.positions import Positions
from controller.store.postgres import Database, open_database
from events import topics
from events.bus.memory import MemoryBus
from events.clock import now
from events.envelope import Envelope, send
from events.facts import Reason
from events.ids import ExperimentId, Shard
from events.signals import ExperimentSubmitted, PauseRequested, ResumeRequested, Signal
from events.spec.space import Assignment
from tests.controller.app.one_controller import endless, installation
from tests.controller.flows.stage import Wanted, on_stage
from tests.eventually import eventually_async
from tests.experiments import experiment_spec

HOUR = timedelta(hours=1)
SECONDS = 1000.0


def submission() -> ExperimentSubmitted:
    spec = experiment_spec(budget={"wallClockSeconds": SECONDS})
    return ExperimentSubmitted(name=f"e{uuid4().hex[:8]}", namespace="default", spec=spec, seed=1)


def about(moment: datetime | None, expected: datetime) -> bool:
    return moment is not None and abs((moment - expected).total_seconds()) < 300


class Owner:
    """The owner of a shard, who decides on what is sent, and nothing else."""

    def __init__(self, database: Database, bus: MemoryBus) -> None:
        self.ledger, self.bus = Ledger(database), bus
        self.experiment = ExperimentId(uuid4())

    async def send(self, signal: Signal, at: datetime) -> None:
        envelope = Envelope(uuid4(), None, self.experiment, at, signal)
        await send(self.bus, topics.SIGNALS, Shard(0), [envelope])

    async def after(self, version: int) -> Experiment:
        """The experiment once it has more facts than `version`."""

        async def known() -> Experiment | None:
            found = await self.ledger.get(self.experiment)
            return found[0] if found and found[0].progress.version > version else None

        found = await eventually_async(known)
        assert found is not None
        return found


@asynccontextmanager
async def owner(url: str) -> AsyncGenerator[Owner]:
    async with open_database(url) as database, open_leases(database, "owner") as leases:
        await leases.make_shards(1)
        epoch = await leases.claim(Shard(0))
        assert epoch is not None
        opened, holding = Owner(database, MemoryBus()), Holding(Shard(0), epoch)
        clocks, positions = Clocks(leases.clock, leases.clock), Positions(database)
        flow = intake(
            opened.bus,
            opened.ledger,
            positions,
            holding,
            check_of(lambda _: ()),
            lambda _: None,
            clocks,
        )
        async with asyncio.TaskGroup() as tasks:
            deciding = tasks.create_task(flow, name="intake")
            yield opened
            deciding.cancel()


@pytest.mark.parametrize("skew", [-HOUR, HOUR])
async def test_a_budget_is_neither_spent_nor_given_by_the_clock_of_whoever_asks(
    fresh_database_url: str, skew: timedelta
) -> None:
    budget = timedelta(seconds=SECONDS)
    async with owner(fresh_database_url) as opened:
        await opened.send(submission(), now() + skew)
        running = await opened.after(1)
        assert about(running.progress.deadline, now() + budget)
        await opened.send(PauseRequested(), now() - skew)
        paused = await opened.after(running.progress.version)
        assert paused.progress.seconds_left is not None
        assert SECONDS - 300 < paused.progress.seconds_left <= SECONDS
        await opened.send(ResumeRequested(), now() + skew)
        resumed = await opened.after(paused.progress.version)
        assert about(resumed.progress.deadline, now() + budget)
        async with open_database(fresh_database_url) as database:
            dates = await database.fetch(
                "SELECT at FROM fact UNION SELECT created_at FROM experiment"
            )
        assert all(about(row["at"], now()) for row in dates)


async def test_a_run_begins_its_budget_by_the_clock_of_postgres(fresh_database_url: str) -> None:
    async with open_database(fresh_database_url) as database:
        envelope = Envelope(uuid4(), None, ExperimentId(uuid4()), now() - HOUR, submission())
        admission = await admit(
            Ledger(database), Mailbox(database), check_of(lambda _: ()), envelope
        )
    expected = now() + timedelta(seconds=SECONDS)
    assert about(admission.experiment.progress.deadline, expected)


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
async def test_a_budget_ends_by_the_clock_of_postgres_however_wrong_that_of_its_owner_is(
    fresh_database_url: str, ahead: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres is that much ahead of this machine, whose whole controller runs the experiment."""
    hear = DatabaseClock.hear

    def hear_it(clock: DatabaseClock, said: datetime, began: float) -> None:
        hear(clock, said + ahead, began)

    monkeypatch.setattr(DatabaseClock, "hear", hear_it)
    experiment, seconds, began = ExperimentId(uuid4()), 1.5, time.monotonic()
    async with installation(fresh_database_url, experiment, endless) as here:
        wanted = Wanted("timed", 500, 2, extra=f"budget: {{wallClockSeconds: {seconds}}}")
        await here.submit(wanted, experiment)
        ended = await here.done("timed")
    assert ended.progress.verdict is not None
    assert ended.progress.verdict.reason is Reason.WALL_CLOCK_REACHED
    assert time.monotonic() - began > seconds


async def test_a_simulated_experiment_has_a_budget_of_virtual_time(database_url: str) -> None:
    def slow(assignment: Assignment) -> Answer:
        return Answer([{"loss": 1.0}], seconds=600)

    extra = "budget: {wallClockSeconds: 3000}"
    async with on_stage(database_url, Wanted("virtual", 500, extra=extra), slow, 0.5) as stage:
        ended = await stage.run_to_rest()
    assert ended.progress.verdict is not None
    assert ended.progress.verdict.reason is Reason.WALL_CLOCK_REACHED
    assert 3 <= ended.progress.counts.succeeded <= 10


async def test_the_clock_of_postgres_is_heard_with_each_lease(database_url: str) -> None:
    clock = DatabaseClock()
    assert about(clock(), now())
    clock.hear(now() + 9 * HOUR, 0.0)
    assert clock() > now() + 8 * HOUR
    async with open_database(database_url) as database, open_leases(database, "listener") as leases:
        leases.clock.hear(now() + 9 * HOUR, 0.0)
        await database.execute("INSERT INTO shard (id) VALUES (999) ON CONFLICT DO NOTHING")
        await leases.claim(Shard(999))
        assert about(leases.clock(), now())
        leases.clock.hear(now() + 9 * HOUR, 0.0)
        assert await leases.renew(wants_more=False) == set()
        assert about(leases.clock(), now())
        await leases.release(Shard(999))
        await database.execute("DELETE FROM ownership WHERE shard = 999")
        await database.execute("DELETE FROM shard WHERE id = 999")
