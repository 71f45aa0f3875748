"""Objects of a real API server are handed in, shown, edited and deleted, by one reconciler for all
shards."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml

from controller.app.balancer import Balancer
from controller.app.components import open_components, simulated_problems
from controller.cluster.kubernetes.api import open_api
from controller.cluster.kubernetes.experiments import Experiments
from controller.cluster.simulated import Answer, SimulatedCluster
from controller.core.recorded import Recorded
from controller.flows.admit import check_of
from controller.flows.reconcile.reconciler import Reconciler
from controller.flows.reconcile.step import Step
from controller.store.holding import Holding
from controller.store.postgres import open_database
from controller.store.queries import Queries
from controller.suggestion.pool import open_pool
from events.bus.memory import MemoryBus
from events.clock import now
from events.envelope import Envelope
from events.facts import SearchExhausted
from events.ids import ExperimentId, Shard, shard_of
from events.spec.space import Assignment
from tests.controller.flows.stage import Wanted, on_stage
from tests.eventually import eventually_async
from tests.kubernetes import ROOT, kubectl, namespace

SHARDS = 6
NEVERGRAD = "{algorithmName: nevergrad}"


@pytest.fixture
def room() -> Any:
    with namespace() as name:
        for crd in ("trials", "experiments"):
            kubectl("apply", "-f", str(ROOT / "deploy" / "crds" / f"{crd}.trialstream.io.yaml"))
        yield name


def slow(assignment: Assignment) -> Answer:
    return Answer([{"loss": float(assignment["x"])}], seconds=0.3)


def apply(room: str, wanted: Wanted) -> None:
    kubectl("apply", "-n", room, "-f", "-", said=yaml.safe_load(wanted.text))


@dataclass
class Room:
    """A namespace, and the controller that reconciles it."""

    name: str
    reconciler: Reconciler

    async def object(self, name: str) -> dict[str, Any]:
        text = await asyncio.to_thread(
            kubectl, "get", "experiment.trialstream.io", name, "-n", self.name, "-o", "json"
        )
        found: dict[str, Any] = json.loads(text)
        return found

    async def state(self, name: str) -> str:
        return str((await self.object(name)).get("status", {}).get("state", ""))

    async def conditions(self, name: str) -> dict[str, str]:
        found = (await self.object(name)).get("status", {}).get("conditions", [])
        return {one["type"]: one["reason"] for one in found if one["status"] == "True"}

    async def events(self, kind: str) -> dict[str, str]:
        """An event's message about objects of a kind, by its reason."""
        wanted = f"involvedObject.kind={kind}"
        text = await asyncio.to_thread(
            kubectl, "get", "events", "-n", self.name, "--field-selector", wanted, "-o", "json"
        )
        return {one["reason"]: one["message"] for one in json.loads(text)["items"]}

    async def names(self, kind: str) -> list[str]:
        text = await asyncio.to_thread(
            kubectl, "get", kind, "-n", self.name, "-o", "jsonpath={.items[*].metadata.name}"
        )
        return text.split()


@asynccontextmanager
async def controller(url: str, room: str) -> AsyncGenerator[Room]:
    """A controller with simulated trials that owns all shards, through a bus in this process."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(url))
        bus, cluster = MemoryBus(), SimulatedCluster(slow, pace=1.0)
        pool = await stack.enter_async_context(open_pool())
        api = await stack.enter_async_context(open_api())
        experiments = await stack.enter_async_context(
            Experiments.open(api, [room], ["trialstream.io/v1alpha1"])
        )
        components = await stack.enter_async_context(
            open_components(
                database,
                bus,
                pool,
                cluster,
                cluster.follow,
                owner=str(uuid4()),
                check=check_of(simulated_problems),
            )
        )
        reconciler = Reconciler(
            experiments, components.ledger, Queries(database), bus, components.check, SHARDS
        )
        leaving = asyncio.Event()
        balancer = Balancer(replace(components, reconciler=reconciler), SHARDS, leaving)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(balancer.run(), name="balancer")
            try:
                yield Room(room, reconciler)
            finally:
                leaving.set()


async def test_an_object_is_run_and_shown_and_goes_with_its_experiment(
    fresh_database_url: str, room: str
) -> None:
    async with controller(fresh_database_url, room) as place:
        apply(room, Wanted("shown", 6, 2))
        await eventually_async(
            lambda: place.names("trials.trialstream.io"), "a live trial is shown"
        )
        await eventually_async(
            lambda: _is(place.state("shown"), "Succeeded"), "it has succeeded", within=120
        )
        status = (await place.object("shown"))["status"]
        assert (status["progress"], status["trialsSucceeded"]) == ("6/6", 6)
        assert status["succeededTrialList"] == [f"shown-{number}" for number in range(1, 7)]
        assert (status["truncatedTrialLists"], status["failedTrialList"]) == ([], [])
        assert status["lastReconcileTime"] >= status["startTime"]
        told: dict[str, str] = {}

        async def all_told() -> bool:
            told.update(await place.events("Trial"))
            return {"JobCreated", "JobRunning", "JobSucceeded"} <= told.keys()

        await eventually_async(all_told, "its trials' events are there")
        assert "Job shown-" in told["JobRunning"]
        best = status["currentOptimalTrial"]["bestTrialName"]
        await eventually_async(
            lambda: _is(place.names("trials.trialstream.io"), [best]), "the best alone is shown"
        )
        kubectl("delete", "experiment.trialstream.io", "shown", "-n", room, "--wait=false")
        await eventually_async(
            lambda: _is(place.names("experiments.trialstream.io"), []), "it is gone"
        )


async def test_what_cannot_be_done_is_said_in_the_object(
    fresh_database_url: str, room: str
) -> None:
    async with controller(fresh_database_url, room) as place:
        apply(room, Wanted("refused", 6, algorithm="{algorithmName: nothing}"))
        await eventually_async(lambda: _is(place.state("refused"), "Refused"), "it is refused")
        assert (await place.conditions("refused"))["Failed"] == "InvalidSpec"
        apply(
            room,
            Wanted("later", 2, algorithm=NEVERGRAD, extra="warmStart: {experiment: [earlier]}"),
        )
        await eventually_async(
            lambda: _is(place.state("later"), "Refused"), "the earlier one is missing"
        )
        apply(room, Wanted("earlier", 2))
        await eventually_async(
            lambda: _is(place.state("later"), "Succeeded"), "the earlier one came", within=120
        )


async def test_edits_are_taken_or_refused(fresh_database_url: str, room: str) -> None:
    async with controller(fresh_database_url, room) as place:
        apply(room, Wanted("edited", 500, 2))
        await eventually_async(lambda: _is(place.state("edited"), "Running"), "it runs")
        apply(room, Wanted("edited", 4, 2))
        await eventually_async(
            lambda: _is(place.state("edited"), "Succeeded"), "few are enough", within=120
        )
        assert "EditRefused" not in await place.conditions("edited")
        apply(room, Wanted("over", 500, 2, goal=0.9))
        await eventually_async(
            lambda: _is(place.state("over"), "Succeeded"), "the goal is reached", within=120
        )
        with pytest.raises(AssertionError, match="the experiment is over"):
            apply(room, Wanted("over", 600, 2, goal=0.9))
        apply(room, Wanted("over", 500, 2, goal=0.9, extra="suggested: [{x: 0.5}]"))
        await eventually_async(lambda: _has(place, "over", "EditRefused"), "the edit is refused")
        assert (await place.conditions("over"))["EditRefused"] == "NotEditable"


async def test_nothing_at_once_is_a_pause_until_it_is_raised(
    fresh_database_url: str, room: str
) -> None:
    async with controller(fresh_database_url, room) as place:
        apply(room, Wanted("paused", 500, 2))
        await eventually_async(lambda: _is(place.state("paused"), "Running"), "it runs")
        apply(room, Wanted("paused", 500, 0))
        await eventually_async(lambda: _is(place.state("paused"), "Paused"), "it is paused")
        assert (await place.conditions("paused"))["PausedByEdit"] == "ParallelTrialCountIsZero"
        apply(room, Wanted("paused", 4, 3))
        await eventually_async(lambda: _is(place.state("paused"), "Succeeded"), "on", within=120)
        assert "PausedByEdit" not in await place.conditions("paused")
        apply(room, Wanted("spent", 2, 1, extra="resumePolicy: LongRunning"))
        await eventually_async(lambda: _is(place.state("spent"), "Succeeded"), "over", within=120)
        # so many that it still runs when somebody looks: what nobody has seen is not said
        apply(room, Wanted("spent", 200, 1, extra="resumePolicy: LongRunning"))
        await eventually_async(lambda: _has(place, "spent", "Restarting"), "it runs again")
        apply(room, Wanted("spent", 4, 1, extra="resumePolicy: LongRunning"))
        await eventually_async(lambda: _is(place.state("spent"), "Succeeded"), "over", within=120)


async def test_objects_that_do_not_change_are_not_looked_at(
    fresh_database_url: str, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[object] = []
    look = Reconciler._work

    async def counted(reconciler: Reconciler, experiment_id: Any) -> None:
        looked.append(experiment_id)
        await look(reconciler, experiment_id)

    monkeypatch.setattr(Reconciler, "_work", counted)
    async with controller(fresh_database_url, room) as place:
        for number in range(3):
            apply(room, Wanted(f"still-{number}", 1))
        for number in range(3):
            await eventually_async(partial(_succeeded, place, f"still-{number}"), "it is done")
        await eventually_async(lambda: _quiet(looked), "nobody looks any more")
        assert len(looked) < 60


def gone(number: int, **metadata: Any) -> dict[str, Any]:
    """An object that is being deleted and that nobody holds: looking at it writes nothing."""
    return {
        "metadata": {
            "uid": str(UUID(int=number)),
            "name": f"gone-{number}",
            "namespace": "default",
            "resourceVersion": "1",
            "deletionTimestamp": "2026-01-01T00:00:00Z",
            **metadata,
        }
    }


async def test_only_objects_of_served_shards_are_looked_at_and_again_only_when_something_changes(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_stage(database_url, Wanted(f"beside-{uuid4().hex[:8]}", 1)) as stage:
        parts, experiments = stage.components, Experiments(None)  # type: ignore[arg-type]
        queries = Queries(parts.database)
        reconciler = Reconciler(experiments, parts.ledger, queries, parts.bus, parts.check, SHARDS)
        looked: Counter[int] = Counter()

        take = Step.take

        async def counted(step: Step) -> float | None:
            looked[step.obj.id.int] += 1
            return await take(step)

        monkeypatch.setattr(Step, "take", counted)
        for number in range(1, 41):
            experiments._handle_experiment(gone(number), gone=False)
        served = Shard(2)
        ours = {n for n in range(1, 41) if shard_of("default", f"gone-{n}", SHARDS) == served}
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(reconciler.run(), name="reconciler")
            await eventually_async(lambda: not reconciler._queue._due, "all were passed over")
            assert not looked
            with reconciler.serving(Holding(served, 1)):
                await eventually_async(lambda: set(looked) == ours, "each was looked at")
                changed = min(ours)
                experiments._handle_experiment(gone(changed, resourceVersion="2"), gone=False)
                await eventually_async(lambda: looked[changed] == 2, "the changed one again")
                reconciler.handle_facts([fact(changed)])
                await eventually_async(lambda: looked[changed] == 3, "after a fact, too")
                reconciler.handle_facts([fact(1000)])
            running.cancel()
        assert looked == {number: 3 if number == changed else 1 for number in ours}


def fact(number: int) -> Recorded:
    experiment = ExperimentId(UUID(int=number))
    return Recorded(1, Envelope(experiment, None, experiment, now(), SearchExhausted()))


async def _is(found: Any, wanted: object) -> bool:
    return bool(await found == wanted)


async def _succeeded(place: Room, name: str) -> bool:
    return await place.state(name) == "Succeeded"


async def _has(place: Room, name: str, kind: str) -> bool:
    return kind in await place.conditions(name)


async def _quiet(looked: list[object]) -> bool:
    before = len(looked)
    await asyncio.sleep(3)
    return len(looked) == before
