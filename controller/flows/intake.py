"""Signals → decisions: those that wait together are decided on in order; each experiment has one
transaction."""

import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from controller.core.decide import decide
from controller.core.experiment import Experiment
from controller.core.recorded import Recorded
from controller.flows.admit import Check, InvalidSpecError, prepare
from controller.store import DataRefusedError, UnreadableExperimentError
from controller.store.dead_letters import DeadLetter
from controller.store.holding import Holding
from controller.store.ledger import Batch, Ledger
from controller.store.marks import Mark
from controller.store.positions import Move, Positions
from controller.store.quarantine import is_own
from controller.store.reader import Reader, Received, read, reading
from controller.telemetry.catalogue import CONCLUSIONS, DECISION, FACTS
from events import topics
from events.bus import Bus, Delivery
from events.clock import now
from events.envelope import Envelope
from events.errors import MissingSourceError
from events.facts import TrialConcluded
from events.ids import ExperimentId, consequence
from events.signals import (
    DeletionRequested,
    EditRequested,
    ExperimentSubmitted,
    ExtensionRequested,
    PauseRequested,
    ResumeRequested,
    StopRequested,
    TimePassed,
    WorkloadEnded,
    WorkloadStarted,
    is_signal,
)

_FLOW = "intake"
BATCH = 500
WAIT_SECONDS = 1.0
LINGER_SECONDS = 0.03
"""How long observations that nobody waits for are collected; any other signal is decided on at
once, with them."""
REQUESTS = (
    StopRequested
    | PauseRequested
    | ResumeRequested
    | ExtensionRequested
    | EditRequested
    | DeletionRequested
)
"""What people ask for has an effect each time it is decided on, so it is marked; observations are
not."""
ASKED = ExperimentSubmitted | REQUESTS
DEFERRABLE = WorkloadStarted | WorkloadEnded
"""Nobody waits for what follows from these alone; an end's metrics come a moment later, once they
are stored, and share its commit: a commit of its own would stand in their way."""

OnCommit = Callable[[Sequence[Recorded]], None]
Clock = Callable[[], datetime]


class Clocks(NamedTuple):
    """The clocks by which everybody's requests are dated, and by which wall-clock budgets run; the
    same but for a simulated cluster, where budgets run in virtual time."""

    date: Clock = now
    budget: Clock = now


async def intake(
    bus: Bus,
    ledger: Ledger,
    positions: Positions,
    holding: Holding,
    check: Check,
    on_commit: OnCommit,
    clocks: Clocks,
) -> None:
    """Decide on every signal of the shard; tell `on_commit` the facts once they are durable.

    `check` says whether a submitted spec can run here.
    """
    async with reading(bus, positions, holding.shard, holding.epoch, topics.SIGNALS) as reader:
        processor = SignalProcessor(ledger, holding, check, on_commit, reader, clocks)
        while True:
            received = processor.read(await reader.fetch(BATCH, WAIT_SECONDS))
            until = time.monotonic() + LINGER_SECONDS
            while _deferrable(received) and (left := until - time.monotonic()) > 0:
                received += processor.read(await reader.fetch(BATCH, left))
            with DECISION.time() if received else nullcontext():
                await processor.process(received)


@dataclass(slots=True)
class SignalProcessor:
    """Processes the signals of a shard, a batch at a time."""

    ledger: Ledger
    holding: Holding
    check: Check
    on_commit: OnCommit
    reader: Reader
    clocks: Clocks
    dead_letters: list[DeadLetter] = field(default_factory=list)

    def read(self, deliveries: Sequence[Delivery]) -> list[Received]:
        """The signals; what is none is put aside."""
        received, dead = read(deliveries, is_signal, "a signal")
        self.dead_letters += dead
        return received

    async def process(self, received: Sequence[Received]) -> None:
        """Decide on all, then commit each experiment; the last commit also moves the position.

        What Postgres cannot hold is put aside: then that signal alone, and nothing else, is
        without a decision.
        """
        groups: dict[ExperimentId, list[Received]] = {}
        for one in received:
            groups.setdefault(one.envelope.experiment, []).append(one)
        decided = [
            (group, batch)
            for group in groups.values()
            if (batch := await self._decide_group(group))
        ]
        self.reader.acknowledge(self.reader.position)
        for count, (group, batch) in enumerate(decided, 1):
            move = self.reader.move() if count == len(decided) and not self.dead_letters else None
            await self._commit(group, batch, move)
        dead, self.dead_letters = self.dead_letters, []
        await self.reader.store(dead)

    async def _commit(self, group: list[Received], batch: Batch, move: Move | None = None) -> None:
        """Commit what was decided on `group`; of what Postgres refuses, first one half, then the
        other."""
        try:
            await self.ledger.commit(self.holding.shard, self.holding.epoch, batch, move)
        except Exception as error:
            reason = self._reason(group, error)
        else:
            self._apply(batch, move)
            return
        await self._commit_halves(group, reason)

    def _apply(self, batch: Batch, move: Move | None) -> None:
        self.reader.mark_stored(move)
        self.holding.learn(batch.after, list(batch.recorded))
        self.on_commit(batch.recorded)
        _count(batch.recorded)
        if batch.after.done:
            self.holding.forget(batch.after.identity.id)

    async def _commit_halves(self, group: list[Received], reason: str) -> None:
        if len(group) == 1:
            self._reject(group, reason)
            return
        self._take_back(group)
        middle = len(group) // 2
        for half in (group[:middle], group[middle:]):
            if batch := await self._decide_group(half):
                await self._commit(half, batch)

    def _take_back(self, group: Sequence[Received]) -> None:
        again = {one.delivery.position for one in group}
        self.dead_letters = [one for one in self.dead_letters if one.delivery.position not in again]

    def _reason(self, group: Sequence[Received], error: Exception) -> str:
        """Why there is no decision on these: what they ask for is not possible, or the work for
        their experiment fails, which is then in quarantine. Raises `error` if it concerns others,
        too."""
        if isinstance(error, (InvalidSpecError, MissingSourceError, DataRefusedError)):
            return str(error)
        if not is_own(error):
            raise error
        experiment_id = group[0].envelope.experiment
        if experiment_id in self.holding.experiments:
            self.holding.quarantine.add(experiment_id, _FLOW, error)
        return f"no decision: {''.join(traceback.format_exception(error))[-1500:]}"

    async def _decide_group(self, received: list[Received]) -> Batch | None:
        """What follows from the signals of one experiment."""
        try:
            return await self._decide(received)
        except Exception as error:
            reason = self._reason(received, error)
        self._take_back(received)
        self._reject(received, reason)
        return None

    async def _decide(self, received: list[Received]) -> Batch | None:
        experiment_id = received[0].envelope.experiment
        before = self.holding.experiments.get(experiment_id)
        if before is None:
            before, received = await self._look_up(experiment_id, received)
        if before is None:
            return None
        fresh, marks = await self._fresh(experiment_id, received)
        if any(isinstance(one.envelope.body, ResumeRequested) for one in fresh):
            self.holding.quarantine.release(experiment_id)
        after, recorded = self._decide_all(before, fresh)
        return Batch(before, after, recorded, marks) if recorded or marks else None

    async def _look_up(
        self, experiment_id: ExperimentId, received: list[Received]
    ) -> tuple[Experiment | None, list[Received]]:
        """The experiment, if these signals submit it or request something of one that is done."""
        try:
            known = await self.ledger.get(experiment_id)
        except UnreadableExperimentError as error:
            self._reject(received, str(error))
            return None, []
        if known is None:
            for index, one in enumerate(received):
                if isinstance(one.envelope.body, ExperimentSubmitted) and (
                    admitted := await self._admit(one)
                ):
                    return admitted, received[index:]
            if any(_is_request(one) for one in received) and not await self.ledger.was_deleted(
                experiment_id
            ):
                self._reject(received, f"there is no experiment {experiment_id}")
            return None, []
        experiment, shard = known
        if shard != self.holding.shard:
            self._reject(
                received,
                f"the experiment {experiment_id} is of shard {shard}, not {self.holding.shard}",
            )
            return None, []
        return (experiment if any(_is_request(one) for one in received) else None), received

    async def _admit(self, one: Received) -> Experiment | None:
        """Record a new experiment; None if its spec cannot run, its name is taken, or it was
        deleted."""
        submitted = one.envelope
        try:
            experiment, envelope = await prepare(
                self.ledger, self.check, self._dated(submitted), self.clocks.budget()
            )
            new = await self.ledger.admit(
                experiment, envelope, self.holding.shard, self.holding.epoch
            )
        except Exception as error:
            self._reject([one], self._reason([one], error))
            return None
        if not new:
            return None
        self.holding.experiments[submitted.experiment] = experiment
        self.on_commit([Recorded.of(experiment.identity, 1, envelope)])
        return experiment

    async def _fresh(
        self, experiment: ExperimentId, received: list[Received]
    ) -> tuple[list[Received], list[Mark]]:
        """The signals without requests that were decided on before or are repeated; and the marks
        of the new requests. One that has the id of another is put aside."""
        requests = [one.envelope.id for one in received if _is_request(one)]
        if not requests:
            return received, []
        known = await self.ledger.seen(experiment, requests)
        fresh, marks = list[Received](), list[Mark]()
        for one in received:
            if not _is_request(one):
                fresh.append(one)
                continue
            mark = Mark.of(one.envelope)
            if (before := known.setdefault(mark.id, mark)) is mark:
                fresh.append(one)
                marks.append(mark)
            elif before.asked not in (None, mark.asked):
                self._reject([one], mark.taken)
        return fresh, marks

    def _decide_all(
        self, experiment: Experiment, received: Sequence[Received]
    ) -> tuple[Experiment, list[Recorded]]:
        """Fold signals into facts, and facts into what is known."""
        recorded: list[Recorded] = []
        at = self.clocks.budget()
        for one in received:
            for envelope in _with_first_tick(self._dated(one.envelope)):
                try:
                    experiment, more = apply_signal(experiment, envelope, at)
                except Exception as error:  # a fault of ours must not hold up the shard
                    self._reject([one], self._reason([one], error))
                else:
                    recorded += more
        return experiment, recorded

    def _dated(self, envelope: Envelope) -> Envelope:
        """What people ask for comes with the time of their own clocks, which may be wrong."""
        if isinstance(envelope.body, ASKED):
            return replace(envelope, at=self.clocks.date())
        return envelope

    def _reject(self, received: Sequence[Received], reason: str) -> None:
        self.dead_letters += [DeadLetter(one.delivery, reason) for one in received]


def _count(recorded: Sequence[Recorded]) -> None:
    for kind, count in Counter(one.envelope.body.type for one in recorded).items():
        FACTS.labels(kind).inc(count)
    for one in recorded:
        if isinstance(one.fact, TrialConcluded):
            CONCLUSIONS.labels(one.fact.state, one.fact.cause).inc()


def apply_signal(
    experiment: Experiment, envelope: Envelope, at: datetime
) -> tuple[Experiment, list[Recorded]]:
    """The facts that follow from a signal that is decided on at `at`, in their places, and what is
    then known."""
    assert is_signal(envelope.body)
    facts, after = decide(experiment, envelope.body, at)
    first = experiment.progress.version + 1
    return after, [
        Recorded.of(experiment.identity, seq, one)
        for seq, one in enumerate(envelope.consequences(facts), first)
    ]


def _deferrable(received: Sequence[Received]) -> bool:
    return 0 < len(received) < BATCH and all(
        isinstance(one.envelope.body, DEFERRABLE) for one in received
    )


def _is_request(one: Received) -> bool:
    return isinstance(one.envelope.body, REQUESTS)


def _with_first_tick(envelope: Envelope) -> Iterable[Envelope]:
    """Let a new experiment begin at once, by a first tick after its submission."""
    yield envelope
    if isinstance(envelope.body, ExperimentSubmitted):
        envelope_id = consequence(envelope.id, "begin")
        yield Envelope(envelope_id, envelope.id, envelope.experiment, envelope.at, TimePassed())
