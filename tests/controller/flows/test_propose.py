"""Searches in workers, with the whole controller: deaths change nothing, and a bad algorithm ends
only its own."""

import asyncio
import random
from pathlib import Path

import pytest

from algorithms.search.outcome import FAILED, WITHDRAWN
from controller.core.evolve import OWN_FAULT
from controller.core.experiment import Experiment
from controller.flows.admit import check_of
from controller.flows.propose import conclusion_entries
from controller.settings import SuggestionSettings
from controller.store.journal import Conclusion
from controller.suggestion.pool import open_pool
from events.facts import TERMINAL, Cause, ExperimentState, Reason, TrialState
from events.ids import TrialNumber
from tests.controller.flows.stage import Stage, Wanted, on_stage
from tests.controller.suggestion.asker import kill, workers
from tests.controller.suggestion.hostile import install
from tests.experiments import experiment_spec
from tests.tiers import LONG, rest_is_long

ALGORITHMS = {
    "random": "{algorithmName: random}",
    "cma": "{algorithmName: nevergrad, algorithmSettings: [{name: optimizer, value: CMA}]}",
}


@pytest.mark.parametrize("name", rest_is_long(ALGORITHMS, lambda name: name == "random"))
async def test_killed_workers_change_no_suggestion(database_url: str, name: str) -> None:
    async def rage(stage: Stage) -> None:
        dice, before = random.Random(4), -1
        while True:
            await asyncio.sleep(dice.uniform(0, 0.02))
            if (now := len(await stage.assignments())) > before:  # no question is hit twice
                before = now
                for worker in workers():
                    kill(worker)

    calm, rough = (
        Wanted(f"{word}-{name}", 40, algorithm=ALGORITHMS[name]) for word in ("whole", "killed")
    )
    async with open_pool() as pool:
        async with on_stage(database_url, calm, pool=pool) as stage:
            await stage.run_to_rest()
            expected = await stage.assignments()
        async with on_stage(database_url, rough, pool=pool) as stage, asyncio.TaskGroup() as tasks:
            raging = tasks.create_task(rage(stage))
            await stage.run_to_rest()
            raging.cancel()
            assert await stage.assignments() == expected


WORDS = {
    "spin": "it took more than 5 s",
    "eat": "it needed more than 400 MiB of memory",
    "leave": "its process ended with exit status 3",
    "fail": "ValueError: no idea",
}
"""What is said of each bad algorithm; tests of the pool see them all."""


async def test_a_bad_algorithm_ends_its_own_experiment_alone(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path)))

    async with open_pool(SuggestionSettings(workers=4, timeout_seconds=5, memory_mib=400)) as pool:

        async def lived(wanted: Wanted) -> Experiment:
            # Only the workers know these algorithms: the check of this process would refuse them.
            async with on_stage(
                database_url, wanted, pool=pool, check=check_of(lambda _: ())
            ) as stage:
                return await stage.run_to_rest()

        names = list(WORDS) if LONG else ["spin", "fail"]
        bad = [
            lived(Wanted(f"bad-{name}", algorithm=f"{{algorithmName: {name}}}")) for name in names
        ]
        good, *ended = await asyncio.gather(
            lived(Wanted("good", algorithm="{algorithmName: nevergrad}")), *bad
        )
    assert good.progress.state is ExperimentState.SUCCEEDED
    for experiment, words in zip(ended, map(WORDS.__getitem__, names), strict=True):
        verdict = experiment.progress.verdict
        assert verdict is not None
        assert (verdict.state, verdict.reason) == (ExperimentState.FAILED, Reason.SEARCH_FAILED)
        assert verdict.message.startswith("the search failed: ")
        assert words in verdict.message


async def test_no_suggestion_for_now_is_asked_for_again_after_the_next_conclusion(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path)))
    ended: list[Experiment] = []
    async with open_pool() as pool:
        for name in ("patient", "stuck"):
            wanted = Wanted(f"for-now-{name}", 6, 3, algorithm=f"{{algorithmName: {name}}}")
            async with (
                on_stage(database_url, wanted, pool=pool, check=check_of(lambda _: ())) as stage,
                asyncio.timeout(60),
            ):
                ended.append(await stage.run_to_rest())
    patient, stuck = (one.progress for one in ended)
    assert (patient.state, patient.counts.succeeded) == (ExperimentState.SUCCEEDED, 6)
    assert (stuck.state, stuck.counts.succeeded) == (ExperimentState.FAILED, 3)
    assert stuck.verdict is not None
    assert stuck.verdict.reason is Reason.SEARCH_FAILED


def test_a_search_is_told_of_every_trial_that_is_over() -> None:
    """Else those that were killed or lost would run for ever in its eyes, also after a resume."""
    spec = experiment_spec()
    for state in TERMINAL:
        for cause in Cause:
            conclusion = Conclusion(TrialNumber(1), state, cause, (None,))
            (told,) = conclusion_entries(spec, conclusion)
            own = cause in OWN_FAULT | {Cause.SPAWN_FAILURE}
            failed = state is TrialState.METRICS_UNAVAILABLE or (state is TrialState.FAILED and own)
            assert told.outcome == (FAILED if failed else WITHDRAWN)
