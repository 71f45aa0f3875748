"""Measurements → stored once, shown to the early-stopping rule, and summarized when an attempt has
reported all."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from algorithms.scheduling import Clone, Continue, Pause, Promote, Scheduler, Stop, create_scheduler
from controller.core.recorded import Recorded
from controller.store.curve import MeasurementRow
from controller.store.dead_letters import DeadLetter
from controller.store.holding import Holding
from controller.store.measurements import CurvePoint, Measurements
from controller.store.positions import Positions
from controller.store.reader import reading
from controller.telemetry.catalogue import POINTS, STOP
from events import topics
from events.bus import Bus, Delivery
from events.clock import now
from events.envelope import Envelope, UnreadableRecordError, decode, send
from events.facts import (
    TERMINAL,
    ExperimentConcluded,
    ExperimentResumed,
    TrialConcluded,
    TrialScheduled,
    TrialState,
)
from events.ids import AttemptKey, ExperimentId, TrialNumber
from events.metrics import Measurement, MetricsCompleted, MetricsReported
from events.signals import MetricsCollected, TrialJudged
from events.spec.objective import Objective
from events.spec.outcomes import feasible

BATCH = 2_000
WAIT_SECONDS = 1.0
MAX_RECORDS = 20_000
"""Records that are read ahead at most, and their bytes."""
MAX_BYTES = 16_000_000
TURN_BYTES = 500_000
"""Bytes that are processed at once, some 7,000 points, shared by the experiments that have any."""


async def judge(
    bus: Bus,
    measurements: Measurements,
    positions: Positions,
    holding: Holding,
    facts: "asyncio.Queue[Recorded]",
) -> None:
    """Store and judge the measurements of the shard, until cancelled."""
    early_stopping = EarlyStopping(holding)
    for experiment_id in list(holding.experiments):
        await _restore(early_stopping, measurements, holding, experiment_id)
    await send(bus, topics.SIGNALS, holding.shard, early_stopping.take_stops())
    async with reading(bus, positions, holding.shard, holding.epoch, topics.METRICS) as reader:
        backlog = Backlog()
        while True:
            if backlog.has_room:
                backlog.add(await reader.fetch(BATCH, 0.0 if backlog.waiting else WAIT_SECONDS))
            while not facts.empty():
                recorded = facts.get_nowait()
                early_stopping.learn(recorded)
                if isinstance(recorded.fact, ExperimentResumed):
                    await _restore(
                        early_stopping, measurements, holding, recorded.envelope.experiment
                    )
            envelopes, dead = _decode_all(backlog.take(), holding)
            if envelopes:
                early_stopping.observe(envelopes)
                async with asyncio.TaskGroup() as tasks:  # stops do not wait for the disk
                    stops = send(bus, topics.SIGNALS, holding.shard, early_stopping.take_stops())
                    tasks.create_task(stops, name="send stops")
                    tasks.create_task(
                        _store(measurements, holding, envelopes), name="store measurements"
                    )
                summaries = await _summarize(measurements, holding, envelopes)
                await send(bus, topics.SIGNALS, holding.shard, summaries)
            reader.acknowledge(backlog.oldest(reader.position))
            await reader.store(dead)


async def _restore(
    early_stopping: "EarlyStopping",
    measurements: Measurements,
    holding: Holding,
    experiment_id: ExperimentId,
) -> None:
    """Learn from what is stored, unless the rule of the experiment is live."""
    experiment = holding.experiments.get(experiment_id)
    if (
        experiment is None
        or experiment.spec.early_stopping is None
        or experiment_id in early_stopping.rules
    ):
        return
    metric = experiment.spec.first_objective.metric
    curves = await measurements.curves(experiment_id, metric)
    if experiment_id in holding.experiments:  # it may have ended while they were read
        early_stopping.restore(experiment_id, curves)


def _decode_all(
    deliveries: Sequence[Delivery], holding: Holding
) -> tuple[list[Envelope], list[DeadLetter]]:
    """The measurements of live experiments, and the records that cannot be read; others are
    dropped."""
    found: list[Envelope] = []
    dead: list[DeadLetter] = []
    for delivery in deliveries:
        try:
            envelope = decode(delivery.record)
            if not isinstance(envelope.body, Measurement):
                raise UnreadableRecordError(f"{envelope.body.type!r} is not a measurement")
        except UnreadableRecordError as error:
            dead.append(DeadLetter(delivery, str(error)))
            continue
        if envelope.experiment in holding.experiments:
            found.append(envelope)
    return found, dead


class Backlog:
    """Fetched records by experiment: each gets its turn, however many records another has."""

    def __init__(self) -> None:
        self._queues: dict[bytes, deque[Delivery]] = {}
        self.waiting = 0
        self._size = 0

    @property
    def has_room(self) -> bool:
        return self.waiting < MAX_RECORDS and self._size < MAX_BYTES

    def add(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._queues.setdefault(delivery.record.key, deque()).append(delivery)
            self.waiting += 1
            self._size += len(delivery.record.value)

    def take(self) -> list[Delivery]:
        """A fair share of each experiment, at least one record."""
        share = TURN_BYTES // max(1, len(self._queues))
        return [delivery for key in list(self._queues) for delivery in self._share(key, share)]

    def _share(self, key: bytes, share: int) -> Iterator[Delivery]:
        queue, taken = self._queues[key], 0
        while queue and taken < share:
            delivery = queue.popleft()
            taken += len(delivery.record.value)
            self.waiting -= 1
            self._size -= len(delivery.record.value)
            yield delivery
        if not queue:
            del self._queues[key]

    def oldest(self, position: int) -> int:
        """The position of the oldest record that waits; `position` if none does."""
        return min((queue[0].position for queue in self._queues.values()), default=position)


async def _store(measurements: Measurements, holding: Holding, envelopes: list[Envelope]) -> None:
    rows = [
        MeasurementRow(envelope.experiment, body.trial, body.attempt, *point)
        for envelope in envelopes
        if isinstance(body := envelope.body, MetricsReported)
        for point in body.points
    ]
    if rows:
        POINTS.inc(len(rows))
        await measurements.store(holding.shard, holding.epoch, rows)


async def _summarize(
    measurements: Measurements, holding: Holding, envelopes: list[Envelope]
) -> list[Envelope]:
    """The summaries of the attempts that have reported everything."""
    complete: dict[ExperimentId, dict[TrialNumber, int]] = {}
    for envelope in envelopes:
        if isinstance(envelope.body, MetricsCompleted):
            complete.setdefault(envelope.experiment, {})[envelope.body.trial] = (
                envelope.body.attempt
            )
    signals: list[Envelope] = []
    for experiment, attempts in complete.items():
        summaries = await measurements.summaries(experiment, list(attempts.items()))
        for trial, observation in summaries.items():
            key = AttemptKey(experiment, trial, attempts[trial])
            collected = MetricsCollected(trial=trial, attempt=key.attempt, observation=observation)
            signals.append(holding.seen(key, collected, now()))
    return signals


@dataclass(slots=True)
class EarlyStopping:
    """The stopping rules of the shard's experiments; each is a cache of the stored curves."""

    holding: Holding
    rules: dict[ExperimentId, Scheduler] = field(default_factory=dict)
    pending: list[tuple[AttemptKey, str]] = field(default_factory=list)

    def restore(self, experiment: ExperimentId, curves: Sequence[CurvePoint]) -> None:
        """Learn from what is stored: finished trials first, each to its end."""
        for index, one in enumerate(curves):
            self._judge(experiment, one.trial, one.step, one.value)
            last = index + 1 == len(curves) or curves[index + 1].trial != one.trial
            if last and one.state in TERMINAL:
                rule = self._rule(experiment)
                assert rule is not None
                rule.conclude(
                    one.trial, succeeded=one.state == TrialState.SUCCEEDED and one.feasible
                )

    def observe(self, envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            match envelope.body:
                case MetricsReported(trial=trial, attempt=attempt, points=points) if self._is_live(
                    envelope.experiment, trial, attempt
                ):
                    metric = self._objective(envelope.experiment).metric
                    for point in points:
                        if point.metric == metric:
                            before = len(self.pending)
                            self._judge(envelope.experiment, trial, point.step, point.value)
                            if len(self.pending) > before:
                                STOP.observe(max(0.0, (now() - point.at).total_seconds()))
                case _:
                    pass

    def learn(self, recorded: Recorded) -> None:
        """Tell the rule about conclusions, which it compares with, and new attempts, which start
        over."""
        rule = self.rules.get(recorded.envelope.experiment)
        if rule is None:
            return
        match recorded.fact:
            case TrialConcluded(trial=trial, state=state, violations=violations):
                rule.conclude(
                    trial, succeeded=state is TrialState.SUCCEEDED and feasible(violations)
                )
            case TrialScheduled(trial=trial, attempt=attempt) if attempt > 1:
                rule.forget(trial)
            case ExperimentConcluded():
                del self.rules[recorded.envelope.experiment]
            case _:
                pass

    def take_stops(self) -> Iterator[Envelope]:
        """The signals to stop trials since the last call."""
        pending, self.pending = self.pending, []
        for key, message in pending:
            judged = TrialJudged(trial=key.trial, attempt=key.attempt, message=message)
            yield self.holding.seen(key, judged, now())

    def _judge(self, experiment: ExperimentId, trial: TrialNumber, step: int, value: float) -> None:
        rule = self._rule(experiment)
        if rule is None or not abs(value) < float("inf"):
            return
        decision = rule.observe(trial, step, self._objective(experiment).loss(value))
        match decision:
            case Continue():
                pass
            case Stop(reason=reason):
                self._stop(experiment, trial, reason)
            case Pause() | Promote() | Clone():
                raise NotImplementedError(
                    f"{decision} is not supported yet; admission refuses such rules"
                )
            case _:
                assert_never(decision)

    def _stop(self, experiment: ExperimentId, trial: TrialNumber, reason: str) -> None:
        held = self.holding.experiments[experiment]
        live = held.progress.live.get(trial)
        if live is not None and live.stopping is None:
            wanted = held.spec.early_stopping
            assert wanted is not None
            message = f"{wanted.algorithm_name}: {reason}"
            self.pending.append((AttemptKey(experiment, trial, live.attempt), message))

    def _rule(self, experiment: ExperimentId) -> Scheduler | None:
        if experiment not in self.rules:
            rule = create_scheduler(self.holding.experiments[experiment].spec)
            if rule is None:
                return None
            self.rules[experiment] = rule
        return self.rules[experiment]

    def _objective(self, experiment: ExperimentId) -> Objective:
        return self.holding.experiments[experiment].spec.first_objective

    def _is_live(self, experiment: ExperimentId, trial: TrialNumber, attempt: int) -> bool:
        return self.holding.live(AttemptKey(experiment, trial, attempt)) is not None
