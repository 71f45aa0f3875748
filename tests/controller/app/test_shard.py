"""The flows of a shard: facts reach all of them, tasks have names, and a flow that ends is a
fault."""

import asyncio
import re
from inspect import iscoroutine
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from controller.app.shard import FactFanOut
from controller.core.recorded import Recorded
from events.clock import now
from events.envelope import Envelope
from events.facts import SearchExhausted
from events.ids import ExperimentId
from tests.controller.flows.stage import Wanted, on_stage

ROOT = Path(__file__).parents[3]
OURS = tuple(f"{ROOT / package}/" for package in ("controller", "events"))


def fact(seq: int) -> Recorded:
    experiment = ExperimentId(UUID(int=seq))
    return Recorded(seq, Envelope(experiment, None, experiment, now(), SearchExhausted()))


async def test_each_subscription_gets_all_facts_in_order() -> None:
    facts = FactFanOut()
    queues = [facts.subscribe() for _ in range(3)]
    assert not facts.changed.is_set()
    facts.publish([fact(1), fact(2)])
    facts.publish([fact(3)])
    assert facts.changed.is_set()
    for queue in queues:
        assert [queue.get_nowait().seq for _ in range(3)] == [1, 2, 3]
        assert queue.empty()


@pytest.mark.parametrize("name", ["propose", "launch", "judge", "relay", "observe", "intake"])
async def test_a_flow_that_ends_is_a_fault_and_is_named(
    database_url: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async def ended(*_: object) -> None:
        pass

    monkeypatch.setattr(f"controller.app.shard.{name}", ended)
    async with on_stage(database_url, Wanted(f"ended-{name}", 1)) as stage:
        with pytest.raises(
            RuntimeError, match=f"the flow '{name}' of shard {stage.admission.shard} has ended"
        ):
            await stage.run_to_rest()


async def test_every_task_of_a_controller_has_a_name(database_url: str) -> None:
    created: list[tuple[str, asyncio.Task[Any]]] = []

    def create(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
        if iscoroutine(work) and work.cr_code.co_filename.startswith(OURS):
            created.append((work.__qualname__, task))
        return task

    asyncio.get_running_loop().set_task_factory(create)
    extra = "earlyStopping: {algorithmName: medianstop}"
    async with on_stage(database_url, Wanted("named", 10, 3, extra=extra)) as stage:
        await stage.run_to_rest()
    assert {"serve", "_run", "Proposer.run", "MetricsFollower.poll", "Pool._serve"} <= {
        name for name, _ in created
    }
    assert [name for name, task in created if re.fullmatch(r"Task-\d+", task.get_name())] == []
