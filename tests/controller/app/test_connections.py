"""Connections to Postgres that are cut, frozen in the middle of a commit, wait for a lock, or are
all taken: each decision takes effect once."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest

import tests.faults.invariants as invariants
from controller.core.experiment import Experiment
from controller.store import postgres
from controller.store.ledger import Ledger
from controller.store.postgres import Database, open_database
from controller.telemetry.catalogue import REGISTRY
from events.facts import ExperimentState
from events.ids import ExperimentId
from tests.controller.app.one_controller import installation
from tests.controller.flows.stage import Wanted
from tests.eventually import eventually_async
from tests.faults.invariants import CONTINUOUS

TRIALS, FAULTS = 9, 2
OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
APART = ("I3 measurements", "I4 budgets")  # they know what other trials report
COMMAND_SECONDS, PASSING_SECONDS = 0.5, 1.0


async def cut(database: Database) -> None:
    await database.fetch(f"SELECT pg_terminate_backend(pid) {OTHERS}")


async def frozen(database: Database) -> None:
    """Whoever waits gives up, and does not know whether it was committed."""
    backends = [row["pid"] for row in await database.fetch(f"SELECT pid {OTHERS}")]
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(PASSING_SECONDS)
    for pid in backends:
        os.kill(pid, signal.SIGCONT)


async def locked(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("LOCK TABLE trial, outbox IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(PASSING_SECONDS)


async def taken(database: Database) -> None:
    """None is left for whoever needs a new one."""
    row = await database.row("SELECT current_database() AS name")
    assert row is not None
    await database.execute(f'ALTER DATABASE "{row["name"]}" CONNECTION LIMIT 0')
    await cut(database)
    await asyncio.sleep(PASSING_SECONDS)
    await database.execute(f'ALTER DATABASE "{row["name"]}" CONNECTION LIMIT -1')


@pytest.mark.parametrize("fault", [cut, frozen, locked, taken])
async def test_each_decision_takes_effect_once(
    fresh_database_url: str,
    fault: Callable[[Database], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_database(fresh_database_url, size=1) as other:
        monkeypatch.setattr(postgres, "COMMAND_SECONDS", COMMAND_SECONDS)
        one, blamed = ExperimentId(uuid4()), _blamed()
        async with installation(fresh_database_url, one) as here:
            await here.submit(Wanted("one", TRIALS, 2), one)
            for number in range(FAULTS):
                await _concluded(other, (number + 1) * TRIALS // (FAULTS + 1))
                await fault(other)
            found = await _done(other)
            assert found.progress.state is ExperimentState.SUCCEEDED
            assert found.progress.counts.succeeded == TRIALS
            wanted = {name: each for name, each in CONTINUOUS.items() if name not in APART}
            assert await invariants.violations(other, wanted) == []
            assert _blamed() == blamed, "an outage is nobody's fault"


def _blamed() -> float:
    """How often a record was put aside or an experiment put into quarantine, in this process."""
    names = ("trialstream_dead_letters_total", "trialstream_quarantines_total")
    samples = (one for metric in REGISTRY.collect() for one in metric.samples)
    return sum(one.value for one in samples if one.name in names)


async def _done(database: Database) -> Experiment:
    """Asked by a connection that nobody cuts: the controller's own may be cut while it asks."""

    async def found() -> Experiment | None:
        known = await Ledger(database).find("default", "one")
        return known[0] if known and known[0].done else None

    experiment = await eventually_async(found, "it is done")
    assert experiment is not None
    return experiment


async def _concluded(database: Database, trials: int) -> None:
    async def enough() -> bool:
        row = await database.row("SELECT count(*) AS n FROM trial WHERE ordinal IS NOT NULL")
        return row is not None and row["n"] >= trials

    await eventually_async(enough, f"{trials} trials are concluded")
