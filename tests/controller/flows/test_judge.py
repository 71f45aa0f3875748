"""Early stopping compares with the succeeded trials that keep every outcome constraint."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

import pytest

from algorithms.scheduling import RULES, Clone, Pause, Promote, SchedulingDecision
from controller.core.recorded import Recorded
from controller.flows.judge import EarlyStopping, judge
from controller.store.holding import Holding
from controller.store.measurements import CurvePoint, Measurements
from controller.store.positions import Positions
from events.bus.memory import MemoryBus
from events.clock import now
from events.envelope import Envelope, report_points
from events.facts import Cause, ExperimentResumed, TrialState
from events.ids import AttemptKey, Shard, TrialNumber
from events.metrics import Point
from events.signals import TrialJudged
from tests.controller.core.histories import experiment, outcome
from tests.controller.core.test_decisions import end, running
from tests.controller.histories import admitted, finish, opened, text
from tests.eventually import eventually_async
from tests.experiments import fields_of

SETTINGS = "[{name: min_trials_required, value: 1}, {name: start_step, value: 1}]"
RULE = f"{{algorithmName: medianstop, algorithmSettings: {SETTINGS}}}"
EXTRA = f"  outcomeConstraints: [latency <= 5]\n  earlyStopping: {RULE}"


def judged(latencies: Sequence[float], *, restored: bool) -> bool:
    """Is a trial with a loss of 5 given up, after one each of these latencies and a loss of 0 has
    succeeded?"""
    last = len(latencies) + 1
    watch = running(experiment(9, 9, extra=EXTRA), last)
    number = watch.state.identity.id
    holding = Holding(Shard(1), 1, experiments={number: watch.state})
    early_stopping = EarlyStopping(holding)
    points: list[CurvePoint] = []
    for trial, latency in enumerate(latencies, 1):
        key = AttemptKey(number, TrialNumber(trial), 1)
        if not restored:
            early_stopping.observe([report_points(key, [Point("loss", 1, now(), 0.0)], now())])
        fact = end(watch, trial, Cause.COMPLETED, outcome(0.0, None, latency))
        assert fact is not None
        points.append(CurvePoint(fact.trial, fact.state, fact.violations == (0.0,), 1, 0.0))
        holding.experiments[number] = watch.state
        if not restored:
            early_stopping.learn(
                Recorded(trial, Envelope(key.experiment, None, number, now(), fact))
            )
    if restored:
        early_stopping.restore(number, points)
    early_stopping.observe(
        [
            report_points(
                AttemptKey(number, TrialNumber(last), 1), [Point("loss", 1, now(), 5.0)], now()
            )
        ]
    )
    return bool(list(early_stopping.take_stops()))


@pytest.mark.parametrize("restored", [False, True])
def test_infeasible_trials_are_no_measure_for_others(restored: bool) -> None:
    assert judged([5.0], restored=restored)
    assert not judged([6.0], restored=restored)
    assert judged([6.0, 4.0], restored=restored)


def one_running() -> tuple[EarlyStopping, AttemptKey]:
    watch = running(experiment(9, 9, extra=EXTRA), 2)
    number = watch.state.identity.id
    early_stopping = EarlyStopping(Holding(Shard(1), 1, experiments={number: watch.state}))
    return early_stopping, AttemptKey(number, TrialNumber(2), 1)


def test_a_stop_says_which_rule_and_why() -> None:
    early_stopping, key = one_running()
    early_stopping.restore(
        key.experiment, [CurvePoint(TrialNumber(1), TrialState.SUCCEEDED, True, 1, 0.0)]
    )
    early_stopping.observe([report_points(key, [Point("loss", 1, now(), 5.0)], now())])
    (judged,) = early_stopping.take_stops()
    assert isinstance(judged.body, TrialJudged)
    assert (
        judged.body.message == "medianstop: after report 1 its best loss is worse than the median"
    )


@pytest.mark.parametrize("decision", [Pause(), Promote(9.0), Clone(1, {"lr": 0.1})], ids=repr)
def test_a_decision_that_cannot_be_carried_out_is_not_passed_over(
    decision: SchedulingDecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Scheduler:
        def observe(self, trial: int, step: int, loss: float) -> SchedulingDecision:
            return decision

        def conclude(self, trial: int, *, succeeded: bool) -> None: ...
        def forget(self, trial: int) -> None: ...

    monkeypatch.setitem(
        RULES, "medianstop", replace(RULES["medianstop"], create=lambda spec: Scheduler())
    )
    early_stopping, key = one_running()
    with pytest.raises(NotImplementedError, match="not supported yet"):
        early_stopping.observe([report_points(key, [Point("loss", 1, now(), 5.0)], now())])


async def test_an_experiment_may_end_while_its_curves_are_read(database_url: str) -> None:
    async with opened(database_url) as (database, leases):
        rule = fields_of(f"earlyStopping: {RULE}")
        author = await admitted(database, leases, text(f"e{uuid4().hex[:12]}", trials=9, **rule))
        await finish(author, 4)
        holding = Holding(author._shard, author._epoch, {author.id: author.experiment})
        facts = asyncio.Queue[Recorded]()
        flow = judge(MemoryBus(), Measurements(database), Positions(database), holding, facts)
        async with asyncio.TaskGroup() as tasks:
            async with database.transaction() as connection:
                await connection.execute("LOCK TABLE measurement IN ACCESS EXCLUSIVE MODE")
                judging = tasks.create_task(flow, name="judge")
                locks = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = $1::text::regclass"
                await eventually_async(lambda: database.row(locks, "measurement"))
                holding.forget(author.id)
            resumed = Envelope(uuid4(), None, author.id, now(), ExperimentResumed())
            facts.put_nowait(Recorded(1, resumed))
            await eventually_async(facts.empty, "the flow goes on")
            judging.cancel()
