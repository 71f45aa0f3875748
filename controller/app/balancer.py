"""One controller among others: own an even share of the shards, serve them, hand them over one by
one."""

import asyncio
import logging
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from controller.app.components import Components
from controller.app.gauges import keep_gauges
from controller.app.shard import PASSING, reason, serve
from controller.store import FencedError, StoreRefusedError, StoreUnavailableError
from controller.store.holding import Holding
from controller.store.leases import LEASE_SECONDS, RENEW_SECONDS, Survey
from controller.telemetry.catalogue import (
    BUS_ERRORS,
    CHANGES,
    EPOCH,
    FENCINGS,
    SHARDS,
    SHARDS_IN_ALL,
    SHARDS_IN_TROUBLE,
)
from events.backoff import Backoff
from events.bus import BusRefusedError, BusUnavailableError
from events.ids import Shard
from events.memory import end_without_memory
from events.waiting import wait

ROUND_SECONDS = 0.3
LEAVE_SECONDS = 3.0
"""How long handing over may take; the next owner does not depend on it."""
STOP_SECONDS = 1.0
BUS_SECONDS = 10.0
"""A controller that has had no contact with Kafka for so long releases its shards."""
RETRY_SECONDS = (0.1, 5.0)
"""Before the first and between later tries to serve a shard; after a longer service the first comes
again."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class OwnedShard:
    """A shard that we own and serve; `trouble` says why it fails at the moment."""

    epoch: int
    task: "asyncio.Task[None]"
    trouble: str = ""
    holding: Holding | None = None


@dataclass(slots=True)
class Balancer:
    """The shards of one controller. `run` ends when `leaving` is set."""

    components: Components
    shards: int
    leaving: asyncio.Event
    owned: dict[Shard, OwnedShard] = field(default_factory=dict)
    surveyed: bool = False
    registered: bool = False
    trouble: str = ""
    renewed_at: float = 0.0

    def reasons(self) -> Iterator[str]:
        """Why this controller is not ready; none if it is."""
        if self.trouble:
            yield self.trouble
        elif not self.surveyed:
            yield "has not yet seen which shards are free"
        for shard, serving in list(self.owned.items()):
            if serving.trouble:
                yield f"shard {shard}: {serving.trouble}"
        yield from self.components.troubles()

    async def run(self) -> None:
        """Own, serve and hand over shards. Raises StoreRefusedError if the database has another
        number of shards."""
        await self.components.leases.make_shards(self.shards)
        SHARDS_IN_ALL.set(self.shards)
        async with asyncio.TaskGroup() as tasks:
            dispatching = tasks.create_task(self.components.dispatcher.run(), name="dispatcher")
            gauges = tasks.create_task(keep_gauges(self.components, self._holdings), name="gauges")
            upkeep = tasks.create_task(self.components.upkeep.run(), name="upkeep")
            running = [dispatching, gauges, upkeep]
            if (reconciler := self.components.reconciler) is not None:
                running.append(tasks.create_task(reconciler.run(), name="reconciler"))
            try:
                while not self.leaving.is_set():
                    await self._round(tasks)
                    await wait(self.leaving, ROUND_SECONDS)
            finally:
                await self._hand_over_all()
                for task in running:
                    task.cancel()

    def _holdings(self) -> list[Holding]:
        return [one.holding for one in self.owned.values() if one.holding is not None]

    async def _round(self, tasks: asyncio.TaskGroup) -> None:
        """Renew the leases, survey the shards, and take one step towards an even share."""
        fit = self.components.bus.healthy_within(BUS_SECONDS)
        try:
            async with asyncio.timeout(LEASE_SECONDS / 2):
                await self._renew(fit)
                if not fit:
                    await self._withdraw()
                    return
                await self._balance(await self.components.leases.survey(), tasks)
            SHARDS.set(len(self.owned))
            SHARDS_IN_TROUBLE.set(sum(bool(one.trouble) for one in self.owned.values()))
        except (StoreUnavailableError, StoreRefusedError, TimeoutError) as error:
            self._report(f"the database does not answer: {error or 'no answer in time'}")
            if self.components.leases.overdue:
                await self._drop(*self.owned, why="the leases have run out")
            await self.components.database.expire()
        else:
            self._report("")
            self.surveyed = True

    async def _renew(self, fit: bool) -> None:
        if time.monotonic() - self.renewed_at < RENEW_SECONDS and self.surveyed:
            return
        lost = await self.components.leases.renew(wants_more=fit)
        self.registered = self.registered or fit
        self.renewed_at = time.monotonic()
        FENCINGS.inc(len(lost))
        await self._drop(*lost, why="taken over by another controller")

    async def _withdraw(self) -> None:
        """Release all shards, for we have no contact with Kafka: other controllers may have it."""
        self._report(f"no contact with Kafka for {BUS_SECONDS:.0f} s")
        self.surveyed = False
        if self.components.leases.epochs or self.registered:
            mine = list(self.owned)
            await self._stop(*mine)
            await self.components.leases.release(*mine)
            await self.components.leases.withdraw()
            self.registered = False

    async def _balance(self, survey: Survey, tasks: asyncio.TaskGroup) -> None:
        share = self._share(survey)
        wanted = share - len(self.owned)
        if wanted > 0 and survey.free:
            free = random.Random(self.components.leases.owner).sample(survey.free, len(survey.free))
            for shard, epoch in (await self.components.leases.claim_all(free[:wanted])).items():
                CHANGES.labels("claimed").inc()
                EPOCH.labels(shard).set(epoch)
                task = tasks.create_task(self._serve(shard, epoch), name=f"shard {shard}")
                self.owned[shard] = OwnedShard(epoch, task)
        elif wanted < 0 and not survey.free:
            last = max(self.owned)
            _log.info("handing over shard %d", last)
            CHANGES.labels("handed_over").inc()
            await self._stop(last)
            await self.components.leases.release(last)

    def _share(self, survey: Survey) -> int:
        """How many shards we should own; the first controllers by name take the remainder."""
        me, others = self.components.leases.owner, survey.controllers
        if me not in others:
            others = sorted([*others, me])
        return self.shards // len(others) + (others.index(me) < self.shards % len(others))

    async def _serve(self, shard: Shard, epoch: int) -> None:
        """Run the flows of the shard, again after each outage, until it is no longer ours."""

        async def ready(holding: Holding, _: asyncio.Event) -> None:
            self.owned[shard].trouble, self.owned[shard].holding = "", holding

        backoff = Backoff(*RETRY_SECONDS)
        while True:
            began = time.monotonic()
            try:
                await serve(self.components, shard, epoch, ready)
            except BaseExceptionGroup as group:
                error = reason(group)
            except Exception as alone:
                error = alone
            if shard not in self.owned or self.owned[shard].epoch != epoch:
                return  # we were told to stop: a task group that fails just then swallows that
            end_without_memory(error)
            if isinstance(error, FencedError):
                FENCINGS.inc()
                _log.warning("%s", error)
                self._discard(shard, epoch)
                return
            if not isinstance(error, Exception):
                raise error
            if isinstance(error, BusUnavailableError | BusRefusedError):
                BUS_ERRORS.inc()
            if isinstance(error, PASSING):
                _log.warning("shard %d is interrupted: %s", shard, error)
            else:
                _log.error("shard %d failed", shard, exc_info=error)
            self.owned[shard].trouble = f"{type(error).__name__}: {error}"
            if time.monotonic() - began > RETRY_SECONDS[1]:
                backoff.reset()
            await asyncio.sleep(backoff.next())

    def _discard(self, shard: Shard, epoch: int) -> None:
        if shard in self.owned and self.owned[shard].epoch == epoch:
            del self.owned[shard]
            self.components.leases.forget(shard)

    async def _drop(self, *shards: Shard, why: str) -> None:
        """Stop serving shards that are no longer ours."""
        for shard in shards:
            CHANGES.labels("dropped").inc()
            _log.warning("shard %d is dropped: %s", shard, why)
        await self._stop(*shards)
        self.components.leases.forget(*shards)

    async def _stop(self, *shards: Shard) -> None:
        """End the flows of shards; one that takes too long is fenced by the next epoch."""
        tasks = [self.owned.pop(shard).task for shard in shards if shard in self.owned]
        for shard in shards:
            with suppress(KeyError):
                EPOCH.remove(shard)
        for task in tasks:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
            if late:
                _log.warning("%d shards take long to stop; they are fenced", len(late))

    async def _hand_over_all(self) -> None:
        """Release all shards, within LEAVE_SECONDS even if the database does not answer."""
        mine = list(self.owned)
        await self._stop(*mine)
        with suppress(StoreUnavailableError, StoreRefusedError, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self.components.leases.withdraw()
                await self.components.leases.release(*mine)

    def _report(self, trouble: str) -> None:
        if trouble != self.trouble:
            _log.log(
                logging.WARNING if trouble else logging.INFO, "%s", trouble or "all is well again"
            )
            self.trouble = trouble
