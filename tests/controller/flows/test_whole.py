"""The whole controller with a real Postgres: exact results, also when it vanishes in the middle."""

import random
from collections import Counter
from typing import ClassVar
from uuid import uuid4

import pytest

from controller.cluster import AttemptKey, Launch
from controller.cluster.simulated import Answer, Function, SimulatedCluster
from controller.core.experiment import Experiment
from controller.suggestion.pool import open_pool
from events.clock import now
from events.facts import Cause, ExperimentState, Reason
from events.signals import PauseRequested, StopRequested
from events.spec.space import Assignment
from tests.controller.flows.stage import Stage, Wanted, on_stage
from tests.tiers import rest_is_long

ALGORITHMS = {
    "random": "{algorithmName: random}",
    "grid": "{algorithmName: grid}",
    "sobol": "{algorithmName: sobol}",
    "nevergrad": "{algorithmName: nevergrad}",
    "cma": "{algorithmName: nevergrad, algorithmSettings: [{name: optimizer, value: CMA}]}",
    "de": "{algorithmName: nevergrad, algorithmSettings: [{name: optimizer, value: TwoPointsDE}]}",
}


LONGER = 0.005
"""Seconds that each life may last longer than the one before: on a busy machine short ones come to
nothing."""


class Hesitant(SimulatedCluster):
    """A place that puts each start off twice."""

    asked: ClassVar[Counter[AttemptKey]] = Counter()

    async def start(self, launch: Launch) -> bool:
        self.asked[launch.key] += 1
        return self.asked[launch.key] > 2 and await super().start(launch)


class Paced(SimulatedCluster):
    """A place where a trial of a second takes a twentieth of one: its start and its end are seen
    apart."""

    def __init__(self, function: Function, *, reaction: float = 0.0) -> None:
        super().__init__(function, reaction=reaction, pace=20.0)


async def exact(stage: Stage, experiment: Experiment, trials: int) -> None:
    """Every trial of the budget concluded once, every point stored once, nothing left to do."""
    number = experiment.identity.id
    facts = await stage.components.database.fetch(
        "SELECT seq, type, trial, (data->>'told')::int AS told FROM fact WHERE experiment = "
        "$1 ORDER BY seq",
        number,
    )
    concluded = Counter(row["trial"] for row in facts if row["type"] == "trial.concluded")
    assert concluded == dict.fromkeys(range(1, trials + 1), 1)
    for place, row in enumerate(facts):
        known = sum(one["type"] == "trial.concluded" for one in facts[:place])
        assert row["told"] is None or row["told"] <= known, (
            "the search was told more than was concluded"
        )
    assert [row["seq"] for row in facts] == list(range(1, len(facts) + 1))
    assert experiment.progress.version == len(facts)
    assert await stage.components.outbox.pending(stage.admission.shard) == []


@pytest.mark.parametrize("name", rest_is_long(ALGORITHMS, lambda name: name == "cma"))
async def test_the_same_seed_gives_the_same_suggestions_also_across_crashes(
    database_url: str, name: str
) -> None:
    algorithm = ALGORITHMS[name]
    async with on_stage(database_url, Wanted(f"calm-{name}", 40, algorithm=algorithm)) as stage:
        await exact(stage, await stage.run_to_rest(), 40)
        calm = await stage.assignments()
    dice, rough = random.Random(name), Wanted(f"rough-{name}", 40, algorithm=algorithm)
    lives, ended = 0, False
    async with open_pool() as pool:  # to import the libraries takes longer than a life
        while not ended:
            lives += 1
            async with on_stage(database_url, rough, pool=pool) as stage:
                if ended := await stage.cut_off(dice.uniform(0.02, 0.12) + lives * LONGER):
                    known = await stage.components.ledger.find("default", rough.name)
                    assert known is not None
                    await exact(stage, known[0], 40)
                    assert await stage.assignments() == calm
    assert lives > 2


async def test_many_at_once_are_exact_across_crashes(database_url: str) -> None:
    """Attempts vanish with their controller here, so they are lost and run again."""
    dice, lives, ended = random.Random(3), 0, False
    async with open_pool() as pool:
        while not ended:
            lives += 1
            async with on_stage(database_url, Wanted("many", 300, 16), pool=pool) as stage:
                if ended := await stage.cut_off(dice.uniform(0.05, 0.15) + lives * LONGER):
                    experiment = await stage.run_to_rest()
                    await exact(stage, experiment, 300)
                    assert experiment.progress.counts.succeeded == 300
    assert lives > 2


async def test_a_search_space_that_is_used_up_ends_the_experiment(database_url: str) -> None:
    wanted = Wanted("small", 1000, 7, step=0.25)
    async with on_stage(database_url, wanted) as stage:
        experiment = await stage.run_to_rest()
        await exact(stage, experiment, 25)
        assert len({(a["x"], a["y"]) for a in await stage.assignments()}) == 25
    assert experiment.progress.verdict is not None
    assert experiment.progress.verdict.reason is Reason.SEARCH_EXHAUSTED


async def test_the_goal_ends_it_and_what_still_runs_is_stopped(database_url: str) -> None:
    def slow_but_one(assignment: Assignment) -> Answer:
        good = float(assignment["x"]) < 0.5
        return Answer([{"loss": 0.0 if good else 1.0}], seconds=1 if good else 1e6)

    async with on_stage(
        database_url, Wanted("goal", 100, 8, goal=0.5), slow_but_one, reaction=0.2
    ) as stage:
        experiment = await stage.run_to_rest()
    verdict = experiment.progress.verdict
    assert verdict is not None
    assert (verdict.state, verdict.reason) == (ExperimentState.SUCCEEDED, Reason.GOAL_REACHED)
    assert experiment.progress.counts.killed > 0
    assert experiment.progress.counts.concluded == experiment.progress.proposed


async def test_failures_and_values_that_are_none(database_url: str) -> None:
    def odd(assignment: Assignment) -> Answer:
        match int(float(assignment["x"]) * 100) % 4:
            case 0:
                return Answer([{"loss": float("nan")}] * 3)
            case 1:
                return Answer([], cause=Cause.ERROR, message="oh no")
            case 2:
                return Answer([{"loss": float("-inf")}, {"loss": 0.5}])
            case _:
                return Answer([{"other": 1.0}])

    wanted = Wanted("odd", 60, 4, "{algorithmName: nevergrad}", goal=-100.0)
    async with on_stage(database_url, wanted, odd) as stage:
        experiment = await stage.run_to_rest()
        await exact(stage, experiment, 60)
        counts = experiment.progress.counts
        assert counts.failed
        assert counts.metrics_unavailable
        assert counts.succeeded
        assert experiment.progress.best is not None
        assert experiment.progress.best.value == 0.5
        assert experiment.progress.verdict is not None
        assert experiment.progress.verdict.reason is Reason.MAX_TRIALS_REACHED


async def test_too_many_failures_fail_it(database_url: str) -> None:
    wanted = Wanted("broken", 50, 2, extra="maxFailedTrialCount: 3")
    async with on_stage(database_url, wanted, lambda _: Answer([], cause=Cause.ERROR)) as stage:
        experiment = await stage.run_to_rest()
    assert experiment.progress.state is ExperimentState.FAILED
    assert 3 <= experiment.progress.counts.failed <= 4


async def test_hopeless_trials_are_stopped_early_also_after_a_restart(database_url: str) -> None:
    """The rule's reference survives in Postgres: after the restart the very first bad trial is
    stopped."""

    def curve(assignment: Assignment) -> Answer:
        return Answer([{"loss": float(assignment["x"])}] * 5)

    settings = "[{name: min_trials_required, value: 5}, {name: start_step, value: 2}]"
    extra = f"earlyStopping: {{algorithmName: medianstop, algorithmSettings: {settings}}}"

    wanted = Wanted("median", 40, 2, extra=extra)
    async with open_pool() as pool:
        for _ in range(3):
            async with on_stage(database_url, wanted, curve, pool=pool) as stage:
                await stage.cut_off(0.3)
        async with on_stage(database_url, wanted, curve, pool=pool) as stage:
            await exact(stage, await stage.run_to_rest(), 40)


async def test_a_request_is_decided_on_once(database_url: str) -> None:
    """The same letter again, after the experiment was resumed, stops nothing."""

    wanted = Wanted("letters", 400, 4)
    letter = uuid4()
    async with on_stage(database_url, wanted) as stage:
        number = stage.admission.experiment.identity.id
        await stage.components.mailbox.add(letter, number, now(), StopRequested())
        stopped = await stage.run_to_rest()
        assert stopped.progress.state is ExperimentState.STOPPED
    async with on_stage(database_url, wanted) as stage:
        await stage.components.mailbox.add(letter, number, now(), StopRequested())
        done = await stage.run_to_rest()
        assert done.progress.state is ExperimentState.SUCCEEDED
        assert done.progress.counts.concluded == 400
        assert await stage.components.mailbox.requests(stage.admission.shard) == []


async def test_a_pause_waits_for_whoever_resumes(database_url: str) -> None:
    wanted = Wanted("pause", 300, 4)
    async with on_stage(database_url, wanted) as stage:
        number = stage.admission.experiment.identity.id
        await stage.components.mailbox.add(uuid4(), number, now(), PauseRequested())
        paused = await stage.run_to_rest()
        assert paused.progress.state is ExperimentState.PAUSED
        assert paused.progress.counts.concluded < 300
    async with on_stage(database_url, wanted) as stage:
        await exact(stage, await stage.run_to_rest(), 300)


async def test_starts_that_are_put_off_are_made_in_the_end(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.flows.launch.RETRY_SECONDS", (0.05, 0.1))

    async with on_stage(fresh_database_url, Wanted("later", 8, 3), kind=Hesitant) as stage:
        await exact(stage, await stage.run_to_rest(), 8)
        assert set(Hesitant.asked.values()) == {3}


async def test_an_end_shares_the_commit_of_the_conclusion(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for what is only observed, and a commit of its own would make the conclusion
    wait for it."""
    monkeypatch.setattr("controller.flows.intake.LINGER_SECONDS", 5.0)
    async with on_stage(fresh_database_url, Wanted("company", 3), kind=Paced) as stage:
        await exact(stage, await stage.run_to_rest(), 3)
        commits = await stage.components.database.fetch(
            "SELECT trial, count(DISTINCT xmin::text) FROM fact "
            "WHERE type IN ('trial.started', 'attempt.ended', 'trial.concluded') GROUP BY trial "
            "ORDER BY trial"
        )
    assert [tuple(row) for row in commits] == [(1, 1), (2, 1), (3, 1)]
