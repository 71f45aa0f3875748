"""Early stopping compares with the succeeded trials that keep every outcome constraint."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import pytest

from algorithms.scheduling import RULES, Clone, Pause, Promote, SchedulingDecision
from controller.core.recorded import Recorded
from controller.flows.early_stopping import TRIALS_AT_ONCE, EarlyStopping, restore
from controller.flows.judge import judge
from controller.store.courses import Course, KnownTrial
from controller.store.holding import Holding
from controller.store.measurements import Measurements
from controller.store.positions import Positions
from controller.store.postgres import Database
from events import topics
from events.bus.memory import MemoryBus
from events.clock import now
from events.envelope import Envelope, decode, report_completion, report_points, send
from events.facts import Cause, ExperimentResumed, TrialState
from events.ids import AttemptKey, Shard, TrialNumber
from events.metrics import Point
from events.signals import TrialJudged
from tests.controller.core.histories import experiment, outcome
from tests.controller.core.test_decisions import end, running
from tests.controller.histories import Author, admitted, assignment, finish, opened, text
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
    succeeded: list[KnownTrial] = []
    for trial, latency in enumerate(latencies, 1):
        key = AttemptKey(number, TrialNumber(trial), 1)
        if not restored:
            early_stopping.observe([report_points(key, [Point("loss", 1, now(), 0.0)], now())])
        fact = end(watch, trial, Cause.COMPLETED, outcome(0.0, None, latency))
        assert fact is not None
        assert fact.state is TrialState.SUCCEEDED
        succeeded.append(KnownTrial(fact.trial, 1, True, fact.violations == (0.0,)))
        holding.experiments[number] = watch.state
        if not restored:
            early_stopping.learn(
                Recorded(trial, Envelope(key.experiment, None, number, now(), fact))
            )
    if restored:
        for one in succeeded:
            early_stopping.report(AttemptKey(number, one.number, 1), [(1, 0.0, None)])
            assert list(early_stopping.conclude(number, one)), "it is to be kept"
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
    first = KnownTrial(TrialNumber(1), 1, succeeded=True, feasible=True)
    early_stopping.report(AttemptKey(key.experiment, first.number, 1), [(1, 0.0, None)])
    assert list(early_stopping.conclude(key.experiment, first)), "it is to be kept"
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
        def save(self, trial: int) -> bytes | None: ...
        def adopt(self, trial: int, left: bytes) -> None: ...
        def forget(self, trial: int) -> None: ...

    monkeypatch.setitem(
        RULES, "medianstop", replace(RULES["medianstop"], create=lambda spec: Scheduler())
    )
    early_stopping, key = one_running()
    early_stopping.observe([report_points(key, [Point("loss", 1, now(), 5.0)], now())])
    assert "not supported yet" in early_stopping.holding.quarantine.cases[key.experiment].reason


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


POINTS = 3_000


async def test_a_rule_is_restored_from_what_trials_have_left(database_url: str) -> None:
    """Without the points of concluded trials, and of running ones with those alone that came
    since."""
    async with opened(database_url) as (database, leases):
        rule = fields_of(f"earlyStopping: {RULE}")
        author = await admitted(database, leases, text(f"e{uuid4().hex[:12]}", trials=9, **rule))
        bus, measurements = MemoryBus(), Measurements(database)
        await author.suggest(*(assignment(number) for number in (1, 2, 3)))
        await author.start(1, 2, 3)
        first = AttemptKey(author.id, TrialNumber(1), 1)
        second, third = (replace_number(first, number) for number in (2, 3))
        told = [report(first, 1, POINTS, 0.0), report_completion(first, now())]
        told.append(report(second, 1, POINTS, 0.0))
        async with judging(bus, measurements, database, author) as done:
            await send(bus, topics.METRICS, author._shard, told)
            await eventually_async(done)
            few = [report(second, POINTS + 1, 5, 0.0)]
            await send(bus, topics.METRICS, author._shard, few)
            await eventually_async(done)
        await author.end(1)
        kept = await database.fetch("SELECT * FROM course WHERE experiment = $1", author.id)
        assert {(row["trial"], row["last"]) for row in kept} == {(1, POINTS), (2, POINTS)}
        await database.execute(
            "DELETE FROM measurement WHERE experiment = $1 AND step <= $2", author.id, POINTS
        )
        async with judging(bus, measurements, database, author) as done:
            await send(bus, topics.METRICS, author._shard, [report(third, 1, 1, 5.0)])
            await eventually_async(done)
        signals = await stops(bus, author)
        assert [(one.trial, one.message) for one in signals] == [
            (3, "medianstop: after report 1 its best loss is worse than the median")
        ]


async def test_trials_from_before_leave_something_when_the_rule_is_restored(
    database_url: str,
) -> None:
    async with opened(database_url) as (database, leases):
        rule = fields_of(f"earlyStopping: {RULE}")
        author = await admitted(database, leases, text(f"e{uuid4().hex[:12]}", trials=9, **rule))
        await finish(author, 4, steps=3)
        async with judging(MemoryBus(), Measurements(database), database, author):
            kept = "SELECT FROM course WHERE experiment = $1"
            await eventually_async(lambda: database.fetch(kept, author.id))
        assert len(await database.fetch(kept, author.id)) == 4


def replace_number(key: AttemptKey, number: int) -> AttemptKey:
    return replace(key, trial=TrialNumber(number))


def report(key: AttemptKey, first: int, count: int, value: float) -> Envelope:
    points = [Point("loss", step, now(), value) for step in range(first, first + count)]
    return report_points(key, points, now())


@asynccontextmanager
async def judging(
    bus: MemoryBus, measurements: Measurements, database: Database, author: Author
) -> AsyncGenerator[Callable[[], bool]]:
    """A new owner judges; whether all that was sent has been dealt with."""
    holding = Holding(author._shard, author._epoch, {author.id: author.experiment})
    partition = bus._partition(topics.METRICS, int(author._shard))
    queue = asyncio.Queue[Recorded]()
    flow = judge(bus, measurements, Positions(database), holding, queue)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(flow, name="judge")
        await eventually_async(lambda: bool(partition.subscriptions) or task.done())
        yield lambda: all(one.released >= partition.end for one in partition.subscriptions)
        task.cancel()


async def stops(bus: MemoryBus, author: Author) -> list[TrialJudged]:
    async with bus.subscribe(topics.SIGNALS, int(author._shard), 0) as heard:
        bodies = [decode(one.record).body for one in await heard.fetch(1_000, 1.0)]
    return [body for body in bodies if isinstance(body, TrialJudged)]


async def test_a_course_of_another_version_is_made_again_from_the_points(database_url: str) -> None:
    async with opened(database_url) as (database, leases):
        rule = fields_of(f"earlyStopping: {RULE}")
        author = await admitted(database, leases, text(f"e{uuid4().hex[:12]}", trials=9, **rule))
        await finish(author, 4)
        courses = Measurements(database).courses
        course = Course(author.id, TrialNumber(2), 1, 1, b"of another version")
        await courses.keep(author._shard, author._epoch, [course])
        holding = Holding(author._shard, author._epoch, {author.id: author.experiment})
        early_stopping = EarlyStopping(holding, due={author.id})
        await restore(early_stopping, courses)
        assert holding.quarantine.cases == {}
        known = await courses.find(author.id, await courses.trials(author.id))
        assert {trial for trial, one in known.items() if one.state != course.state} == {1, 2, 3, 4}


async def test_nobody_waits_for_more_than_one_trial_of_a_rule_that_is_restored(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = [0]
    """Trials between each two turns of the event loop."""
    adopt = EarlyStopping.adopt

    def counted(rules: EarlyStopping, course: Course) -> bool:
        taken[-1] += 1
        return adopt(rules, course)

    async def take_turns() -> None:
        while True:
            taken.append(0)
            await asyncio.sleep(0)

    monkeypatch.setattr(EarlyStopping, "adopt", counted)
    async with opened(database_url) as (database, leases):
        rule = fields_of(f"earlyStopping: {RULE}")
        name, many = f"e{uuid4().hex[:12]}", TRIALS_AT_ONCE * 2
        author = await admitted(database, leases, text(name, trials=many, parallel=many, **rule))
        await finish(author, many - 1)
        courses = Measurements(database).courses
        holding = Holding(author._shard, author._epoch, {author.id: author.experiment})
        for _ in range(2):  # first from points, of which courses are kept, then from these
            async with asyncio.TaskGroup() as tasks:
                turns = tasks.create_task(take_turns(), name="turns")
                await restore(EarlyStopping(holding, due={author.id}), courses)
                turns.cancel()
    assert not holding.quarantine.cases
    assert (sum(taken), max(taken)) == (many - 1, 1)
