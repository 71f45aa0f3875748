"""One experiment, a shard of its own, seen through by this process alone: what `trialstream run` does."""

import asyncio
import logging
import time
from contextlib import suppress

from controller.app.components import Components
from controller.app.shard import PASSING, reason, serve
from controller.core.experiment import Experiment
from controller.store import FencedError, StoreRefusedError, StoreUnavailableError
from controller.store.holding import Holding
from events.errors import AbandonError
from events.facts import ExperimentState, TrialState
from events.ids import ExperimentId, Shard

AWAY_SECONDS = 30.0
"""How long the database, or the place where trials run, may be away before the controller gives up."""
PAUSE_SECONDS = (0.1, 2.0)
SETTLE_SECONDS = 0.2
log = logging.getLogger(__name__)


class _SettledError(AbandonError):
    """Not an error: what was waited for has come, so the flows end."""


def at_rest(experiment: Experiment) -> bool:
    """Does nothing more happen unless somebody asks for it?"""
    live = experiment.progress.live.values()
    paused = experiment.progress.state is ExperimentState.PAUSED
    return experiment.done or (paused and all(trial.state is TrialState.PAUSED for trial in live))


async def run_to_rest(components: Components, shard: Shard, experiment: ExperimentId) -> bool:
    """Own the shard and serve it until the experiment is at rest; False if somebody else owns it.

    Outages are waited out, up to AWAY_SECONDS each; then what was wrong is raised.
    """
    away_since: float | None = None
    pause = PAUSE_SECONDS[0]
    while True:
        began = time.monotonic()
        error: BaseException
        try:
            return await _own_once(components, shard, experiment)
        except BaseExceptionGroup as group:
            error = reason(group)
        except (FencedError, *PASSING) as alone:
            error = alone
        if isinstance(error, FencedError):
            log.warning("%s; following", error)
            return False
        if not isinstance(error, PASSING):
            raise error
        away_since, pause = _patience(began, away_since, pause, error)
        await asyncio.sleep(pause)
        await _restart_database(components)


async def _own_once(components: Components, shard: Shard, experiment: ExperimentId) -> bool:
    epoch = await components.leases.claim(shard)
    if epoch is None:
        return False

    async def until_settled(holding: Holding, changed: asyncio.Event) -> None:
        while not await _is_settled(components, holding, experiment):
            changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_SECONDS):
                    await changed.wait()
        raise _SettledError

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(components.leases.keep(shard))
            tasks.create_task(components.dispatcher.run())
            tasks.create_task(serve(components, shard, epoch, until_settled))
    except* _SettledError:
        pass
    await components.leases.release(shard)
    return True


async def _is_settled(components: Components, holding: Holding, experiment: ExperimentId) -> bool:
    """Is everything decided, does no letter wait, and is every effect done?"""
    known = holding.experiments.get(experiment)
    if known is not None and not at_rest(known):
        return False
    return not await components.mailbox.requests(holding.shard) and await components.outbox.is_empty(experiment)


def _patience(began: float, away_since: float | None, pause: float, error: Exception) -> tuple[float, float]:
    """Since when it does not work, and how long to wait now; raises `error` when patience is at its end."""
    moment = time.monotonic()
    if away_since is None or moment - began > AWAY_SECONDS:
        log.warning("interrupted, trying again: %s", error)
        return moment, PAUSE_SECONDS[0]
    if moment - away_since > AWAY_SECONDS:
        raise error
    return away_since, min(pause * 2, PAUSE_SECONDS[1])


async def _restart_database(components: Components) -> None:
    try:
        await components.restart_database()
        await components.database.expire()
    except (StoreUnavailableError, StoreRefusedError) as error:
        log.info("not yet: %s", error)
