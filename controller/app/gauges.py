"""The gauges of a controller: counts of experiments, trials, effects and connections, set every few
seconds."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress

from controller.app.components import Components
from controller.core.recorded import Effect
from controller.store import StoreRefusedError, StoreUnavailableError
from controller.store.holding import Holding
from controller.telemetry.catalogue import (
    DEAD_LETTERS_KEPT,
    EXPERIMENTS,
    OUTBOX,
    OUTBOX_AGE,
    POOL,
    QUARANTINED,
    TRIALS,
)
from events import topics
from events.facts import TERMINAL, ExperimentState, TrialState

EVERY_SECONDS = 5.0
STATES = (ExperimentState.RUNNING, ExperimentState.PAUSED)


async def set_gauges(components: Components, holdings: Collection[Holding]) -> None:
    """Set the gauges for our shards; while Postgres is away, those that need it keep their
    values."""
    _set_states(holdings)
    in_use, idle = components.database.connections()
    POOL.labels("in_use").set(in_use)
    POOL.labels("idle").set(idle)
    with suppress(StoreUnavailableError, StoreRefusedError):
        waiting = await components.outbox.waiting([holding.shard for holding in holdings])
        for effect in Effect:
            count, age = waiting.get(effect, (0, 0.0))
            OUTBOX.labels(effect).set(count)
            OUTBOX_AGE.labels(effect).set(age)
        kept = await components.dead_letters.count()
        for topic in (topics.SIGNALS, topics.METRICS):
            DEAD_LETTERS_KEPT.labels(topic).set(kept.get(topic, 0))


def _set_states(holdings: Collection[Holding]) -> None:
    QUARANTINED.set(sum(len(holding.quarantine.cases) for holding in holdings))
    experiments: Counter[str] = Counter()
    trials: Counter[str] = Counter()
    for holding in holdings:
        for experiment in holding.experiments.values():
            experiments[experiment.progress.state] += 1
            trials.update(trial.state for trial in experiment.progress.live.values())
    for state in STATES:
        EXPERIMENTS.labels(state).set(experiments[state])
    for live in TrialState:
        if live not in TERMINAL:
            TRIALS.labels(live).set(trials[live])


async def keep_gauges(components: Components, holdings: Callable[[], Collection[Holding]]) -> None:
    """Set the gauges every few seconds, until cancelled."""
    while True:
        await set_gauges(components, holdings())
        await asyncio.sleep(EVERY_SECONDS)
