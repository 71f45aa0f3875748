"""One reconciler for each controller: it looks at an object when the object or its experiment has
changed."""

import asyncio
import logging
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from controller.cluster.kubernetes.api_errors import ApiError, ConflictError, ThrottledError
from controller.cluster.kubernetes.experiments import Experiments
from controller.cluster.kubernetes.objects import ExperimentObject
from controller.cluster.kubernetes.work_queue import WorkQueue
from controller.core.recorded import Recorded
from controller.flows.admit import Check
from controller.flows.reconcile.display import Display
from controller.flows.reconcile.record import INTERVAL_SECONDS, Delay, Ports, Record
from controller.flows.reconcile.step import Step
from controller.store.holding import Holding
from controller.store.ledger import Ledger
from controller.store.quarantine import DISPLAY, is_own
from controller.store.queries import Queries
from events.bus import Bus
from events.facts import TrialConcluded
from events.ids import ExperimentId, Shard, shard_of

RESYNC_SECONDS = 60.0
"""Between two looks at all objects: nothing should need it."""
SHOW_SECONDS = 3.0
"""Between two writes of one experiment's counters, at least; its state is shown at once."""
MAX_SHOWN_PER_SECOND = 10
MAX_PARALLEL = 24
_log = logging.getLogger(__name__)


class Reconciler:
    """The objects of the experiments whose shards this controller owns. Call `run`, and `serving`
    for each shard."""

    def __init__(
        self,
        experiments: Experiments,
        ledger: Ledger,
        queries: Queries,
        bus: Bus,
        check: Check,
        shards: int,
    ) -> None:
        self._experiments = experiments
        self._ports = Ports(experiments, ledger, queries, bus, check)
        self._shards = shards
        self._holdings: dict[Shard, Holding] = {}
        self._records: dict[ExperimentId, Record] = {}
        self._queue: WorkQueue[ExperimentId] = WorkQueue()
        experiments.on_change = self._enqueue

    @contextmanager
    def serving(self, holding: Holding) -> Iterator[None]:
        """Reconcile the objects of a shard that we own."""
        self._holdings[holding.shard] = holding
        holding.quarantine.listeners.append(self._look_again)
        for obj in self._experiments.objects.values():
            if self._shard(obj) == holding.shard:
                self._records.pop(obj.id, None)
                self._enqueue(obj.id)
        try:
            yield
        finally:
            if self._holdings.get(holding.shard) is holding:
                del self._holdings[holding.shard]

    def handle_facts(self, recorded: Sequence[Recorded]) -> None:
        """Look again at the objects of these experiments: facts about them have been committed."""
        for one in recorded:
            record, fact = self._records.get(one.envelope.experiment), one.envelope.body
            if record is not None and isinstance(fact, TrialConcluded):
                record.finished.add(fact.state, fact.trial)
                record.ends.append(fact)
        for experiment_id in {one.envelope.experiment for one in recorded}:
            self._look_again(experiment_id)

    def _look_again(self, experiment_id: ExperimentId) -> None:
        """Something has happened that the object does not say yet."""
        record = self._records.get(experiment_id)
        if record is not None:
            record.settled, record.changed = "", True
            self._enqueue(experiment_id)

    async def run(self) -> None:
        """Look at objects when they are due, until cancelled."""
        free = asyncio.Semaphore(MAX_PARALLEL)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._resync(), name="resync of objects")
            while True:
                experiment_id = await self._queue.get()
                await free.acquire()
                task = tasks.create_task(self._work(experiment_id), name=f"object {experiment_id}")
                task.add_done_callback(lambda _: free.release())

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(RESYNC_SECONDS)
            for experiment_id in list(self._experiments.objects):
                self._enqueue(experiment_id)

    def _enqueue(self, experiment_id: ExperimentId) -> None:
        record = self._records.get(experiment_id)
        since = INTERVAL_SECONDS if record is None else time.monotonic() - record.looked_at
        self._queue.add(experiment_id, max(0.0, INTERVAL_SECONDS - since))

    def _shard(self, obj: ExperimentObject) -> Shard:
        return shard_of(obj.namespace, obj.name, self._shards)

    async def _work(self, experiment_id: ExperimentId) -> None:
        """Look at one object, and say when to look again, whatever happens."""
        try:
            obj = self._experiments.objects.get(experiment_id)
            holding = None if obj is None else self._holdings.get(self._shard(obj))
            if obj is None or holding is None:
                self._records.pop(experiment_id, None)
                return
            record = self._records.setdefault(experiment_id, Record())
            record.looked_at, record.changed = time.monotonic(), False
            if record.settled == obj.resource_version:
                return
            display = Display(self._ports, obj, holding, record, self._show_seconds())
            delay = await self._try(Step(self._ports, obj, holding, record, display))
            if record.changed:
                record.settled = ""
            if delay is not None:
                self._queue.add(experiment_id, delay)
        finally:
            self._queue.done(experiment_id)

    async def _try(self, step: Step) -> Delay:
        """One look; the seconds until the next, if one is needed even if nothing changes."""
        try:
            delay = await step.take()
        except (ConflictError, ThrottledError):  # the next look sees what it is by then
            return INTERVAL_SECONDS * random.uniform(
                1.0, 2.0
            )  # each has its turn while there is little room
        except ApiError as error:
            _log.warning("experiment %s: %s", step.obj.name, error)
        except Exception as error:  # one object must not hold up the others
            if step.obj.id in step.holding.experiments and is_own(error):
                step.holding.quarantine.add(step.obj.id, DISPLAY, error)
            else:
                _log.exception("experiment %s cannot be reconciled now", step.obj.name)
        else:
            step.record.backoff.reset()
            return delay
        return step.record.backoff.next()

    def _show_seconds(self) -> float:
        """Longer if there are many experiments: all controllers together write MAX_SHOWN_PER_SECOND
        a second."""
        ours = sum(len(holding.experiments) for holding in self._holdings.values())
        total = ours * self._shards / max(1, len(self._holdings))
        return max(SHOW_SECONDS, total / MAX_SHOWN_PER_SECOND)
