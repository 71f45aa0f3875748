"""One experiment in a shard of its own, run by this process alone, as `trialstream run` does."""

import asyncio
import logging
import time
from dataclasses import dataclass, field

from controller.app.components import Components
from controller.app.shard import PASSING, reason, serve
from controller.core.experiment import Experiment
from controller.store import FencedError, StoreRefusedError, StoreUnavailableError
from controller.store.holding import Holding
from events.backoff import Backoff
from events.errors import AbandonError
from events.facts import ExperimentState, TrialState
from events.ids import ExperimentId, Shard
from events.memory import end_without_memory
from events.waiting import wait

OUTAGE_SECONDS = 30.0
"""How long the database, or the place where trials run, may not answer before the controller gives
up."""
RETRY_SECONDS = (0.1, 2.0)
"""Before the first and between later tries."""
SETTLE_SECONDS = 0.2
log = logging.getLogger(__name__)


class _SettledError(AbandonError):
    """Not an error: the experiment is at rest, so the flows end."""


def at_rest(experiment: Experiment) -> bool:
    """Is the experiment done, or paused with all its trials?"""
    live = experiment.progress.live.values()
    paused = experiment.progress.state is ExperimentState.PAUSED
    return experiment.done or (paused and all(trial.state is TrialState.PAUSED for trial in live))


async def run_to_rest(components: Components, shard: Shard, experiment: ExperimentId) -> bool:
    """Own the shard and serve it until the experiment is at rest; False if somebody else owns it.

    Outages are waited out, up to OUTAGE_SECONDS each; then what was wrong is raised.
    """
    outage = _Outage()
    while True:
        began = time.monotonic()
        error: BaseException
        try:
            return await _own_once(components, shard, experiment)
        except BaseExceptionGroup as group:
            error = reason(group)
        except (FencedError, *PASSING) as alone:
            error = alone
        end_without_memory(error)
        if isinstance(error, FencedError):
            log.warning("%s; following", error)
            return False
        if not isinstance(error, PASSING):
            raise error
        await asyncio.sleep(outage.pause(began, error))
        await _restart_database(components)


async def _own_once(components: Components, shard: Shard, experiment: ExperimentId) -> bool:
    epoch = await components.leases.claim(shard)
    if epoch is None:
        return False

    async def until_settled(holding: Holding, changed: asyncio.Event) -> None:
        while not await _is_settled(components, holding, experiment):
            _require_hope(holding, experiment)
            changed.clear()
            await wait(changed, SETTLE_SECONDS)
        raise _SettledError

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(components.leases.keep(shard), name="lease")
            tasks.create_task(components.dispatcher.run(), name="dispatcher")
            tasks.create_task(components.upkeep.run(), name="upkeep")
            tasks.create_task(serve(components, shard, epoch, until_settled), name=f"shard {shard}")
    except* _SettledError:
        pass
    await components.leases.release(shard)
    return True


async def _is_settled(components: Components, holding: Holding, experiment: ExperimentId) -> bool:
    """Is the experiment at rest, with no request waiting and no effect left to do?"""
    known = holding.experiments.get(experiment)
    if known is not None and not at_rest(known):
        return False
    return not await components.mailbox.requests(
        holding.shard
    ) and await components.outbox.is_empty(experiment)


def _require_hope(holding: Holding, experiment: ExperimentId) -> None:
    """Raise what has kept the experiment in quarantine for OUTAGE_SECONDS: nobody else goes on."""
    case = holding.quarantine.cases.get(experiment)
    if case and case.error and time.monotonic() - case.began > OUTAGE_SECONDS:
        raise case.error


@dataclass(slots=True)
class _Outage:
    """Since when tries fail, and how long to wait until the next."""

    since: float | None = None
    backoff: Backoff = field(default_factory=lambda: Backoff(*RETRY_SECONDS))

    def pause(self, began: float, error: Exception) -> float:
        """The seconds until the next try, after one that `began` then; raises `error` after
        OUTAGE_SECONDS."""
        moment = time.monotonic()
        if self.since is None or moment - began > OUTAGE_SECONDS:
            log.warning("interrupted, trying again: %s", error)
            self.since = moment
            self.backoff.reset()
        elif moment - self.since > OUTAGE_SECONDS:
            raise error
        return self.backoff.next()


async def _restart_database(components: Components) -> None:
    try:
        await components.restart_database()
        await components.database.expire()
    except (StoreUnavailableError, StoreRefusedError) as error:
        log.info("not yet: %s", error)
