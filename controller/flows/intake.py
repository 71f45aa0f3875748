"""Signals → decisions: what waits together is decided together, in order, and committed in one transaction."""

import logging
from collections.abc import Callable, Sequence
from functools import reduce
from uuid import UUID

from controller.core.decide import decide
from controller.core.evolve import evolve
from controller.core.experiment import Experiment
from controller.store.holding import Holding
from controller.store.ledger import Batch, Ledger, Recorded
from events import topics
from events.bus import Bus, Delivery
from events.envelope import Envelope, UnreadableRecordError, decode
from events.facts import Fact
from events.ids import ExperimentId
from events.signals import (
    ExtensionRequested,
    PauseRequested,
    ResumeRequested,
    Signal,
    StopRequested,
    WorkloadEnded,
    WorkloadStarted,
)

BATCH = 500
WAIT_SECONDS = 1.0
LINGER_SECONDS = 0.005
REQUESTS = StopRequested | PauseRequested | ResumeRequested | ExtensionRequested
"""What people ask for has an effect each time it is decided on, so it is marked; observations are not."""
UNHURRIED = WorkloadStarted | WorkloadEnded
"""Nobody waits for what follows from these alone; an end's metrics come a moment later, and share its commit."""

log = logging.getLogger(__name__)
Heard = Callable[[Sequence[Recorded]], None]


async def intake(bus: Bus, ledger: Ledger, holding: Holding, committed: Heard) -> None:
    """Decide on every signal of the shard; tell `committed` the facts once they are durable."""
    async with bus.subscribe(topics.SIGNALS, holding.shard, 0) as signals:
        while True:
            heard = _readable(await signals.fetch(BATCH, WAIT_SECONDS))
            if heard and all(isinstance(one.body, UNHURRIED) for one in heard):
                heard += _readable(await signals.fetch(BATCH, LINGER_SECONDS))
            for experiment, envelopes in _by_experiment(heard, holding).items():
                await _decide_together(ledger, holding, experiment, envelopes, committed)
            signals.release(signals.position)


def _readable(deliveries: Sequence[Delivery]) -> list[Envelope]:
    found: list[Envelope] = []
    for delivery in deliveries:
        try:
            found.append(decode(delivery.record))
        except UnreadableRecordError as error:
            log.error("a signal that cannot be read was passed over: %s", error)
    return found


def _by_experiment(heard: Sequence[Envelope], holding: Holding) -> dict[ExperimentId, list[Envelope]]:
    found: dict[ExperimentId, list[Envelope]] = {}
    for envelope in heard:
        if envelope.experiment in holding.experiments:
            found.setdefault(envelope.experiment, []).append(envelope)
    return found


async def _decide_together(
    ledger: Ledger, holding: Holding, experiment: ExperimentId, envelopes: list[Envelope], committed: Heard
) -> None:
    before = holding.experiments[experiment]
    fresh, marks = await _fresh(ledger, experiment, envelopes)
    after, recorded = decided(before, fresh)
    if recorded or marks:
        await ledger.commit(holding.shard, holding.epoch, Batch(before, after, recorded, marks))
        holding.learn(after, recorded)
        committed(recorded)


async def _fresh(
    ledger: Ledger, experiment: ExperimentId, envelopes: list[Envelope]
) -> tuple[list[Envelope], list[UUID]]:
    """Without the requests that were decided on before, or that stand here twice; and the marks of the new ones."""
    requests = {one.id for one in envelopes if isinstance(one.body, REQUESTS)}
    if not requests:
        return envelopes, []
    known = await ledger.seen(experiment, list(requests))
    fresh: list[Envelope] = []
    marks: list[UUID] = []
    for one in envelopes:
        if one.id not in requests:
            fresh.append(one)
        elif one.id not in known:
            known.add(one.id)
            fresh.append(one)
            marks.append(one.id)
    return fresh, marks


def decided(experiment: Experiment, envelopes: Sequence[Envelope]) -> tuple[Experiment, list[Recorded]]:
    """Fold signals into facts, and facts into what is known."""
    recorded: list[Recorded] = []
    for envelope in envelopes:
        if not isinstance(envelope.body, Signal):
            continue
        facts: tuple[Fact, ...] = decide(experiment, envelope.body, envelope.at)
        first = experiment.progress.version + 1
        experiment = reduce(evolve, facts, experiment)
        recorded += [Recorded(seq, one) for seq, one in enumerate(envelope.consequences(facts), first)]
    return experiment, recorded
