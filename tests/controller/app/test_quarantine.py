"""An experiment whose own work fails is put into quarantine; the others of its shard go on, and it
loses nothing."""

import asyncio
import time
from uuid import uuid4

import pytest

from controller.cluster.simulated import Answer
from controller.store import FencedError, StoreUnavailableError, quarantine
from controller.store.quarantine import Quarantine, Quarantines, is_own
from controller.store.queries import Queries
from controller.telemetry.catalogue import REGISTRY
from controller.views.experiments import experiment_cells
from controller.views.overview import experiment_facts
from controller.views.summary import read_document
from events.bus import BusRefusedError, BusUnavailableError, RecordTooLargeError
from events.clock import now
from events.facts import ExperimentState
from events.ids import ExperimentId
from events.signals import DeletionRequested, ResumeRequested, StopRequested
from events.spec.space import Assignment
from tests.controller.app.one_controller import FAR_OFF, SHARD, endless, installation
from tests.controller.flows.stage import Wanted, bowl
from tests.eventually import eventually_async

FAILED_TWICE = "failures >= 2"
"""At first, and when it was tried again."""


def counted(name: str, **labels: str) -> float:
    """What a scrape reads of this process."""
    return REGISTRY.get_sample_value(f"trialstream_{name}", labels) or 0.0


@pytest.mark.parametrize("fault", ["start", "suggest", "journal", "publish", "follow", "sweep"])
async def test_one_experiment_waits_and_the_others_go_on(
    fresh_database_url: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next try of its own is far off: it goes on because a person has asked for it."""
    monkeypatch.setattr("controller.flows.sweep.COMPARE_SECONDS", 0.05)
    monkeypatch.setattr(quarantine, "RETRY_SECONDS", FAR_OFF)
    victim, other = ExperimentId(uuid4()), ExperimentId(uuid4())
    async with installation(fresh_database_url, victim) as here:
        here.faults.failing.add(fault)
        epoch = here.balancer.owned[SHARD].epoch
        await here.submit(Wanted("victim", 6, 2), victim)
        await here.submit(Wanted("other", 6, 2), other)
        assert (await here.done("other")).progress.counts.succeeded == 6
        await here.holds(f"EXISTS (SELECT FROM quarantine WHERE experiment = '{victim}')")
        assert fault in here.faults.met
        assert not here.balancer.owned[SHARD].trouble
        assert here.balancer.owned[SHARD].epoch == epoch
        here.faults.failing.clear()
        await here.tell(victim, ResumeRequested())
        found = await here.done("victim")
        assert (found.progress.state, found.progress.counts.succeeded) == (
            ExperimentState.SUCCEEDED, 6,
        )  # fmt: skip
        await here.holds("NOT EXISTS (SELECT FROM outbox)")
        assert len(here.faults.started) == len(set(here.faults.started)) == 12
        first = list(dict.fromkeys(here.faults.published))
        assert first == list(range(1, found.progress.version + 1))
        assert not here.balancer.owned[SHARD].trouble


def mostly_short(assignment: Assignment) -> Answer:
    """Trials of the victim, whose grid is coarse, run until they are stopped."""
    return endless(assignment) if float(assignment["x"]) in (0.0, 1.0) else bowl(assignment)


async def test_a_stop_that_fails_is_tried_again_and_the_others_go_on(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but the try after the quarantine may carry it out."""
    monkeypatch.setattr("controller.flows.sweep.COMPARE_SECONDS", 3600.0)
    victim, other = ExperimentId(uuid4()), ExperimentId(uuid4())
    async with installation(fresh_database_url, victim, mostly_short) as here:
        epoch = here.balancer.owned[SHARD].epoch
        await here.submit(Wanted("victim", 2, 2, step=1.0), victim)
        await here.holds("(SELECT count(*) FROM trial WHERE state = 'Running') = 2")
        here.faults.failing.add("stop")
        await here.tell(victim, StopRequested())
        await here.holds(
            f"EXISTS (SELECT FROM quarantine WHERE flow = 'launch' AND {FAILED_TWICE})"
        )
        await here.submit(Wanted("other", 6, 2), other)
        assert (await here.done("other")).progress.counts.succeeded == 6
        await here.holds("(SELECT count(*) FROM outbox WHERE effect = 'stop') = 2")
        here.faults.failing.clear()
        found = await here.done("victim")
        assert found.progress.state is ExperimentState.STOPPED
        await here.holds("NOT EXISTS (SELECT FROM outbox)")
        assert not here.balancer.owned[SHARD].trouble
        assert here.balancer.owned[SHARD].epoch == epoch


async def test_a_deletion_that_fails_is_tried_again_and_the_others_go_on(
    fresh_database_url: str,
) -> None:
    victim, other = ExperimentId(uuid4()), ExperimentId(uuid4())
    async with installation(fresh_database_url, victim) as here:
        epoch = here.balancer.owned[SHARD].epoch
        await here.submit(Wanted("victim", 1), victim)
        last = (await here.done("victim")).progress.version
        here.faults.failing.add("forget")
        await here.tell(victim, DeletionRequested())
        await here.holds(f"EXISTS (SELECT FROM quarantine WHERE flow = 'relay' AND {FAILED_TWICE})")
        await here.submit(Wanted("other", 6, 2), other)
        assert (await here.done("other")).progress.counts.succeeded == 6
        await here.holds(
            f"EXISTS (SELECT FROM experiment WHERE id = '{victim}') AND (SELECT array_agg(f.type) "
            "FROM outbox o JOIN fact f USING (experiment, seq)) = '{experiment.deleted}'"
        )
        here.faults.failing.clear()
        await here.holds(f"NOT EXISTS (SELECT FROM experiment WHERE id = '{victim}')")
        await here.holds("NOT EXISTS (SELECT FROM outbox)")
        first = list(dict.fromkeys(here.faults.published))
        assert first == list(range(1, max(first) + 1))
        assert max(first) > last
        assert not here.balancer.owned[SHARD].trouble
        assert here.balancer.owned[SHARD].epoch == epoch


async def test_what_waits_is_shown_and_counted_and_survives_its_owner(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.app.gauges.EVERY_SECONDS", 0.05)
    victim, begun = ExperimentId(uuid4()), counted("quarantines_total", flow="launch")
    async with installation(fresh_database_url, victim) as here:
        await eventually_async(lambda: counted("experiments_quarantined") == 0, "none waits")
        here.faults.failing.add("start")
        await here.submit(Wanted("victim", 2), victim)
        await here.holds("EXISTS (SELECT FROM quarantine WHERE failures >= 2)")
        await eventually_async(lambda: counted("experiments_quarantined") == 1, "one waits")
        assert counted("quarantines_total", flow="launch") >= begun + 2
        queries = Queries(here.database)
        snapshot = await queries.experiments.find("default", "victim")
        assert snapshot is not None
        said = dict(experiment_facts(snapshot))["Quarantine"]
        assert "launch failed" in said
        assert "TypeError: start is not possible" in said
        assert (await read_document(queries, snapshot))["quarantine"]["flow"] == "launch"
        (row,) = await queries.experiments.newest()
        assert experiment_cells(row, now())[2] == "Running (quarantine)"
        failures = snapshot.quarantine.failures if snapshot.quarantine else 0
    async with installation(fresh_database_url, victim) as here:
        holding = here.balancer._holdings()[0]
        case = holding.quarantine.cases[victim]
        assert case.failures >= failures >= 2
        await eventually_async(lambda: counted("experiments_quarantined") == 1, "it still does")
        assert (await here.done("victim")).progress.counts.succeeded == 2
        monkeypatch.setattr(quarantine, "QUIET_SECONDS", 0.0)
        await eventually_async(lambda: counted("experiments_quarantined") == 0, "none waits")


def test_what_is_an_experiments_own_fault() -> None:
    own: list[BaseException] = [
        TypeError(),
        RecursionError(),
        RecordTooLargeError(),
        PermissionError(13, "no"),
        ExceptionGroup("", [TypeError(), KeyError()]),
    ]
    others: list[BaseException] = [
        StoreUnavailableError(),
        FencedError(),
        BusUnavailableError(),
        BusRefusedError(),
        OSError(28, "the disk is full"),
        TimeoutError(),
        asyncio.CancelledError(),
        ExceptionGroup("", [TypeError(), StoreUnavailableError()]),
    ]
    assert [is_own(one) for one in own] == [True] * len(own)
    assert [is_own(one) for one in others] == [False] * len(others)


def test_a_quarantine_grows_with_each_failure_and_ends_when_all_is_quiet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    held, experiment, tried = Quarantine(), ExperimentId(uuid4()), list[str]()
    pauses: list[float] = []
    for _ in range(12):
        with held.isolating(experiment, "launch"):
            raise TypeError("again")
        with held.isolating(experiment, "launch"):
            raise TypeError("another task of the same try")
        case = held.cases[experiment]
        pauses.append(case.retry_at - clock[0])
        assert held.holds(experiment)
        assert held.holds(experiment, "launch")
        assert not held.holds(experiment, "relay")
        held.park(experiment, lambda: tried.append("parked"))
        held.settle()
        assert held.holds(experiment)
        clock[0] = case.retry_at
        held.settle()
        assert not held.holds(experiment)
    assert tried == ["parked"] * 12
    assert pauses[0] <= 1.0
    assert 150.0 <= pauses[-1] <= 300.0
    assert held.cases[experiment].failures == 12
    clock[0] += quarantine.QUIET_SECONDS + 1
    held.settle()
    assert held.cases == {}
    held.park(experiment, lambda: tried.append("at once"))
    assert tried[-1] == "at once"
    with pytest.raises(StoreUnavailableError), held.isolating(experiment, "launch"):
        raise StoreUnavailableError
    assert held.cases == {}


def test_a_reason_can_always_be_stored() -> None:
    one, waiting = ExperimentId(uuid4()), Quarantine()
    waiting.add(one, "launch", ValueError("no \0 and no \ud800"))
    reason = waiting.cases[one].reason
    assert "\0" not in reason
    assert reason.encode()  # a lone surrogate would raise


async def test_a_former_owner_writes_no_quarantine_down(fresh_database_url: str) -> None:
    victim = ExperimentId(uuid4())
    async with installation(fresh_database_url, victim) as here:
        await here.submit(Wanted("victim", 1), victim)
        await here.done("victim")
        held = Quarantine()
        held.add(victim, "launch", TypeError("late"))
        epoch = here.balancer.owned[SHARD].epoch
        quarantines = Quarantines(here.database)
        unsaved = held.take_unsaved()
        await quarantines.save(SHARD, epoch - 1, unsaved)
        assert await quarantines.find([victim]) == {}
        await quarantines.save(SHARD, epoch, {**unsaved, ExperimentId(uuid4()): held.cases[victim]})
        assert (await quarantines.find([victim]))[victim].reason == "TypeError: late"
        await quarantines.save(SHARD, epoch, {victim: None})
        assert await quarantines.find([victim]) == {}
