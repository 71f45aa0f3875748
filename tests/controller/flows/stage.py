"""A whole controller on a simulated cluster and a real Postgres, started and cut off at will."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from controller.app.components import Components, open_components, problems
from controller.app.solo import run_to_rest
from controller.cluster.simulated import Answer, Function, SimulatedCluster
from controller.core.experiment import Experiment
from controller.flows.admit import Admission, Check, admit, check_of
from controller.store.migrate import migrate
from controller.store.postgres import open_database
from controller.suggestion.pool import Pool, open_pool
from events.bus.memory import MemoryBus
from events.clock import now
from events.envelope import Envelope
from events.ids import ExperimentId
from events.signals import ExperimentSubmitted
from events.spec.document import load
from events.spec.space import Assignment
from tests.experiments import experiment_text, fields_of


def bowl(assignment: Assignment) -> Answer:
    """Lowest at x=0.3, y=0.6; five steps that come closer."""
    x, y = float(assignment["x"]), float(assignment["y"])
    best = (x - 0.3) ** 2 + (y - 0.6) ** 2
    return Answer([{"loss": best + 1 / step} for step in range(1, 6)])


@dataclass(frozen=True, slots=True)
class Wanted:
    """An experiment that minimises `loss` over x and y."""

    name: str
    trials: int = 20
    parallel: int = 1
    algorithm: str = "{algorithmName: random}"
    extra: str = ""
    goal: float | None = None
    step: float = 0.01

    @property
    def text(self) -> str:
        space = {"min": 0, "max": 1, "step": self.step}
        fields: dict[str, Any] = {
            "objective": {
                "type": "minimize",
                "objectiveMetricName": "loss",
                "goal": self.goal,
                "metricStrategies": [{"name": "loss", "value": "latest"}],
            },
            "algorithm": fields_of(self.algorithm),
            "seed": 11,
            "parallelTrialCount": self.parallel,
            "maxTrialCount": self.trials,
            "parameters": [
                {"name": name, "parameterType": "double", "feasibleSpace": dict(space)}
                for name in ("x", "y")
            ],
        }
        return experiment_text(self.name, **{**fields, **fields_of(self.extra)})


@dataclass(slots=True)
class Stage:
    """One life of a controller."""

    components: Components
    admission: Admission

    async def run_to_rest(self) -> Experiment:
        identity = self.admission.experiment.identity
        assert await run_to_rest(self.components, self.admission.shard, identity.id)
        known = await self.components.ledger.find(identity.namespace, identity.name)
        assert known is not None
        return known[0]

    async def cut_off(self, seconds: float) -> bool:
        """Serve for a while, then vanish without a word; True if the experiment came to its end
        before."""
        serving = asyncio.get_running_loop().create_task(self.run_to_rest())
        done, _ = await asyncio.wait({serving}, timeout=seconds)
        serving.cancel()
        await asyncio.wait({serving})
        return bool(done)

    async def assignments(self) -> list[Assignment]:
        rows = await self.components.database.fetch(
            "SELECT assignment FROM trial WHERE experiment = $1 ORDER BY number",
            self.admission.experiment.identity.id,
        )
        return [row["assignment"] for row in rows]


@asynccontextmanager
async def on_stage(
    url: str,
    wanted: Wanted,
    function: Function = bowl,
    reaction: float = 0.0,
    kind: type[SimulatedCluster] = SimulatedCluster,
    pool: Pool | None = None,
    check: Check = check_of(problems),  # noqa: B008
) -> AsyncGenerator[Stage]:
    """A new controller, with nothing in memory, for the experiment; without a pool it has one of
    its own."""
    document = load(wanted.text.encode())
    cluster = kind(function, reaction=reaction)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(url))
        await migrate(database)
        if pool is None:
            pool = await stack.enter_async_context(open_pool())
        components = await stack.enter_async_context(
            open_components(
                database,
                MemoryBus(),
                pool,
                cluster,
                cluster.follow,
                owner=str(uuid4()),
                check=check,
                clock=cluster.time,
            )
        )
        submitted = ExperimentSubmitted(
            name=document.name, namespace="default", spec=document.spec, seed=1
        )
        envelope = Envelope(uuid4(), None, ExperimentId(uuid4()), now(), submitted)
        yield Stage(
            components,
            await admit(components.ledger, components.mailbox, components.check, envelope),
        )
