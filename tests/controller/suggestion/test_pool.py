"""The pool: no death, no hang, no hunger of a worker changes a suggestion or holds up another
experiment."""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from algorithms.search import create_search
from controller.settings import MIB, USUAL_MEMORY, SuggestionSettings
from controller.suggestion.pool import Pool, SearchFailedError, open_pool
from controller.suggestion.processes import ForkserverClient
from events.spec.experiment import ExperimentSpec
from events.spec.space import Assignment
from tests.controller.suggestion.asker import SEED, Asker, kill, outcome, servers, spec, workers
from tests.controller.suggestion.hostile import install
from tests.memory import deny_memory
from tests.tiers import rest_is_long

TRIALS = 60
KILLS = 50
LARGE = 5_000
"""Suggestions that need some megabytes."""
LEARNERS = {
    "random": spec("random"),
    "sobol": spec("sobol"),
    "cma": spec("nevergrad", optimizer="CMA"),
    "de": spec("nevergrad", optimizer="TwoPointsDE"),
    "auto": spec("nevergrad"),
}
ROOMY = SuggestionSettings(workers=3)


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path)))


@asynccontextmanager
async def opened(settings: SuggestionSettings = ROOMY) -> AsyncGenerator[Pool]:
    """A pool of which nothing is left in the end."""
    async with open_pool(settings) as pool:
        yield pool
    assert servers() == []


def calm(wanted: ExperimentSpec, trials: int = TRIALS) -> list[Assignment]:
    """What the search suggests in this process, where nobody kills it."""
    search, suggestions = create_search(wanted, SEED), list[Assignment]()
    for number in range(1, trials + 1):
        suggestions += search.ask(1)
        search.tell(number, outcome(number))
    return suggestions


@pytest.mark.parametrize("name", rest_is_long(LEARNERS, lambda name: name == "cma"))
async def test_kills_at_random_change_no_suggestion(name: str) -> None:
    async with opened() as pool:
        asker, dice, kills = Asker(pool, LEARNERS[name]), random.Random(name), 0
        await asker.ask()
        while len(asker.assignments) < TRIALS:
            asking = asyncio.get_running_loop().create_task(asker.ask())
            if kills < KILLS:
                await asyncio.sleep(
                    dice.choice([0, 0, dice.uniform(0, 0.003)])
                )  # before, at, or after the answer
                for worker in workers():
                    kill(worker)
                kills += 1
            await asking
        assert kills == KILLS
        assert asker.recalled > KILLS / 2
        assert asker.assignments == calm(LEARNERS[name])


async def test_all_at_once_while_workers_and_the_forkserver_are_killed() -> None:
    async with opened() as pool:
        askers = [Asker(pool, wanted) for wanted in LEARNERS.values()]

        dice, spared = random.Random(1), set[str]()

        async def grow(asker: Asker) -> None:
            while len(asker.assignments) < TRIALS:
                await asker.ask()
                spared.discard(asker.name)
                if not spared and (there := workers()):  # no question is hit twice
                    kill(dice.choice(there))
                    spared.update(one.name for one in askers if len(one.assignments) < TRIALS)

        async with asyncio.TaskGroup() as tasks:
            for asker in askers:
                tasks.create_task(grow(asker))
        for server in servers():
            server.kill()
        for asker in askers:
            await asker.ask()
            assert asker.assignments == calm(asker.spec, TRIALS + 1)


async def test_a_live_search_is_told_only_what_is_new() -> None:
    async with opened() as pool:
        askers = [Asker(pool, LEARNERS["random"]) for _ in range(5)]
        for _ in range(20):
            for asker in askers:
                await asker.ask(2)
        assert [asker.recalled for asker in askers] == [1] * 5
        pool.forget(askers[0].name)
        await askers[0].ask()
        assert askers[0].recalled == 2


async def test_a_worker_without_the_libraries_makes_room_for_one_that_has_them() -> None:
    async with opened(SuggestionSettings(workers=1)) as pool:
        askers = [Asker(pool, LEARNERS[name]) for name in ("random", "sobol", "auto", "random")]
        for asker in askers * 2:
            await asker.ask()
        assert [asker.assignments for asker in askers] == [calm(asker.spec, 2) for asker in askers]
        assert len(workers()) == 1


async def test_while_a_home_is_busy_for_a_moment_no_other_worker_is_ended_or_started() -> None:
    """More experiments than workers, all asking without a pause: each search stays where it is
    live."""

    async with opened(SuggestionSettings(workers=2)) as pool:
        askers = [Asker(pool, LEARNERS["auto"]) for _ in range(20)]
        for _ in range(10):
            await asyncio.gather(*(asker.ask() for asker in askers))
        assert len(workers()) <= 2
        assert [asker.assignments for asker in askers] == [calm(LEARNERS["auto"], 10)] * 20


@pytest.mark.usefixtures("hostile")
async def test_a_long_replay_is_not_slow_while_it_gets_on() -> None:
    """Each replayed entry takes a second and a half, all of them more than the limit of four."""

    async with opened(SuggestionSettings(workers=1, timeout_seconds=4)) as pool:
        asker = Asker(pool, spec("nap"))
        for _ in range(7):
            await asker.ask()
        kill(workers()[0])
        await asker.ask()
        assert asker.recalled == 2


FATES = {
    "sleep": "it took more than 5 s",
    "spin": "it took more than 5 s",
    "eat": "it needed more than 400 MiB of memory",
    "leave": "its process ended with exit status 3",
    "crash": "its process was killed by SIGSEGV",
    "stop": "SystemExit: enough",
    "chat": "its process answered nonsense",
    "fail": "ValueError: no idea",
    "unknown": "there is no algorithm unknown",
}


@pytest.mark.usefixtures("hostile")
async def test_what_happened_is_said_and_others_go_on() -> None:
    """All bad algorithms at once, more of them than workers, and a good one that hears nothing of
    it."""

    async def fate(pool: Pool, name: str) -> str:
        asker = Asker(pool, spec(name))
        with pytest.raises(SearchFailedError) as failure:
            await asker.go_on()
        return str(failure.value)

    async with opened(SuggestionSettings(workers=4, timeout_seconds=5, memory_mib=400)) as pool:
        good = Asker(pool, LEARNERS["auto"])
        await good.ask()
        fates = asyncio.gather(*(fate(pool, name) for name in FATES))
        while not fates.done():
            await good.ask()
            await asyncio.sleep(0.05)
        for (name, words), said in zip(FATES.items(), await fates, strict=True):
            assert words in said, name
            assert ("[suggestion]" in said) == (name in ("sleep", "spin", "eat"))
        assert good.assignments == calm(good.spec, len(good.assignments))


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("deed", ["sleep", "spin"])
async def test_whose_search_lives_beside_one_that_hangs_gets_it_elsewhere(deed: str) -> None:
    async with opened(SuggestionSettings(workers=2, timeout_seconds=600)) as pool:
        bad, good = Asker(pool, spec(deed)), Asker(pool, LEARNERS["random"])
        for asker in (bad, good, bad):
            await asker.ask()
        assert len(workers()) == 1
        hanging = asyncio.get_running_loop().create_task(bad.ask(5))
        await asyncio.sleep(0)  # it is asked first
        for _ in range(5):
            await good.ask()
        assert not hanging.done()
        assert good.recalled == 2
        assert len(workers()) == 2
        hanging.cancel()
        await asyncio.wait({hanging})
        await good.ask()


@pytest.mark.usefixtures("hostile")
async def test_who_moves_to_a_free_worker_takes_nothing_from_it() -> None:
    async with opened(SuggestionSettings(workers=2)) as pool:
        slow, beside, elsewhere = (
            Asker(pool, spec("nap")),
            *(Asker(pool, LEARNERS["random"]) for _ in range(2)),
        )
        await slow.ask(3)
        await beside.ask()
        await asyncio.gather(slow.ask(), elsewhere.ask())
        assert len(workers()) == 2
        await asyncio.gather(slow.ask(), beside.ask())
        await elsewhere.ask()
        assert (beside.recalled, elsewhere.recalled) == (2, 1)


async def test_a_worker_that_gets_no_more_memory_changes_no_suggestion() -> None:
    """It ends, and another one is asked."""
    async with opened(SuggestionSettings(workers=1)) as pool:
        asker = Asker(pool, LEARNERS["random"])
        await asker.ask()
        before = workers()
        deny_memory(before[0])
        many = await asker.ask(LARGE)
        assert workers() != before
        assert asker.recalled == 2
    search = create_search(LEARNERS["random"], SEED)
    assert search.ask(1) == asker.assignments[:1]
    search.tell(1, outcome(1))
    assert search.ask(LARGE) == many


async def test_a_worker_that_ends_just_before_its_forkserver_is_no_error() -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, complaint: complaints.append(complaint)
    )
    server = await ForkserverClient.start(USUAL_MEMORY * MIB)
    process = await server.fork([])
    worker = psutil.Process(process.pid)
    worker.kill()
    process.writer.close()
    psutil.wait_procs([worker], timeout=10)  # nothing is read meanwhile
    await server.close()
    assert complaints == []


@pytest.mark.usefixtures("hostile")
async def test_a_worker_whose_question_nobody_waits_for_is_free_again() -> None:
    async with opened(SuggestionSettings(workers=1, timeout_seconds=4)) as pool:
        bad, good = Asker(pool, spec("sleep")), Asker(pool, LEARNERS["random"])
        await bad.ask()
        hanging = asyncio.get_running_loop().create_task(bad.ask(5))
        await asyncio.sleep(0)  # the worker has the question
        hanging.cancel()
        await good.ask()
        assert len(workers()) == 1


@pytest.mark.usefixtures("hostile")
async def test_a_worker_has_no_secrets_and_no_files_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRIALSTREAM_DATABASE", "postgresql://u:hunter2@db")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")

    async with opened() as pool:
        ours, theirs = socket.socketpair()
        with ours, theirs, pytest.raises(SearchFailedError) as told:
            await Asker(pool, spec("look")).ask(5)
        seen = json.loads(str(told.value).removeprefix("ValueError: "))
        assert "hunter2" not in str(seen)
        assert seen["environment"]["OMP_NUM_THREADS"] == "1"
        assert sum(file.startswith("socket:") for file in seen["files"]) == 1


CONTROLLER = """
import asyncio, os, sys
from controller.suggestion.pool import open_pool
from tests.controller.suggestion.asker import Asker, spec, servers, workers
async def main():
    async with open_pool() as pool:
        await Asker(pool, spec("nevergrad")).ask()
        heavy = [name for name in ("nevergrad", "scipy", "pandas") if name in sys.modules]
        hanging = asyncio.get_running_loop().create_task(Asker(pool, spec("spin")).ask(5))
        await asyncio.sleep(0.5)
        print(heavy, *(process.pid for process in servers() + workers()), flush=True)
        await hanging
asyncio.run(main())
"""


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize(
    "number", rest_is_long([signal.SIGKILL, signal.SIGINT], lambda one: one == signal.SIGKILL)
)
def test_workers_die_with_their_controller(number: signal.Signals) -> None:
    """Also one that spins. And the controller itself has imported nothing heavy."""
    path = os.pathsep.join([os.environ["PYTHONPATH"], os.getcwd()])
    with subprocess.Popen(
        [sys.executable, "-c", CONTROLLER],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as controller:
        assert controller.stdout is not None
        heavy, *pids = controller.stdout.readline().rsplit(maxsplit=2)
        left = [psutil.Process(int(pid)) for pid in pids]
        assert heavy.startswith("[]")
        controller.send_signal(number)
    assert len(left) >= 2
    assert psutil.wait_procs(left, timeout=60)[1] == []
