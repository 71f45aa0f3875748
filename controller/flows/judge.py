"""Measurements → stored once, shown to the early-stopping rule, and summarized when an attempt has
reported all."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, assert_never

from algorithms.scheduling import Clone, Continue, Pause, Promote, Scheduler, Stop, create_scheduler
from controller.core.experiment import Experiment
from controller.core.recorded import Recorded
from controller.store import DataRefusedError
from controller.store.backlog import Backlog
from controller.store.courses import Course, KnownTrial
from controller.store.dead_letters import DeadLetter
from controller.store.holding import Holding
from controller.store.measurements import Measurements
from controller.store.positions import Positions
from controller.store.reader import reading
from controller.telemetry.catalogue import POINTS, STOP
from events import topics
from events.bus import Bus, Delivery
from events.clock import now
from events.envelope import Envelope, UnreadableRecordError, decode, send
from events.facts import (
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
TRIALS_AT_ONCE = 50
"""Trials whose courses are read at once when a rule is restored."""
SAVE_POINTS, SAVE_SHARE = 2_000, 0.05
"""The course of a running attempt is stored again after so many points, and this part of all."""


async def judge(
    bus: Bus,
    measurements: Measurements,
    positions: Positions,
    holding: Holding,
    facts: "asyncio.Queue[Recorded]",
) -> None:
    """Store and judge the measurements of the shard, until cancelled."""
    early_stopping = EarlyStopping(holding)
    async with reading(bus, positions, holding.shard, holding.epoch, topics.METRICS) as reader:
        for experiment_id in list(holding.experiments):
            await _restore(early_stopping, measurements, holding, experiment_id)
        await send(bus, topics.SIGNALS, holding.shard, early_stopping.take_stops())
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
            received, dead = _decode_all(backlog.take(), holding)
            if received:
                envelopes = [one.envelope for one in received]
                early_stopping.observe(envelopes)
                async with asyncio.TaskGroup() as tasks:  # stops do not wait for the disk
                    stops = send(bus, topics.SIGNALS, holding.shard, early_stopping.take_stops())
                    tasks.create_task(stops, name="send stops")
                    storing = tasks.create_task(
                        _store(measurements, holding, received), name="store measurements"
                    )
                dead += storing.result()
                if courses := list(early_stopping.take_courses(envelopes)):
                    await measurements.courses.keep(holding.shard, holding.epoch, courses)
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
    trials = await measurements.courses.trials(experiment_id)
    for first in range(0, len(trials), TRIALS_AT_ONCE):
        part = trials[first : first + TRIALS_AT_ONCE]
        known, made = await measurements.courses.find(experiment_id, part), list[Course]()
        for trial in part:
            await asyncio.sleep(0)  # so that nobody waits for all of them
            if experiment_id not in holding.experiments:  # it has ended meanwhile
                return
            course = known.get(trial.number)
            if course is not None:
                early_stopping.adopt(course)
            if course is None or not trial.succeeded:
                await _retell(early_stopping, measurements, experiment, trial, course)
            if trial.succeeded and experiment_id in holding.experiments:
                made += early_stopping.conclude(experiment_id, trial)
        if made:
            await measurements.courses.keep(holding.shard, holding.epoch, made)


async def _retell(
    early_stopping: "EarlyStopping",
    measurements: Measurements,
    experiment: Experiment,
    trial: KnownTrial,
    course: Course | None,
) -> None:
    """Tell the rule the points of a trial that are in no course."""
    number, metric = experiment.identity.id, experiment.spec.first_objective.metric
    last = course.last if course is not None else 0
    async for points in measurements.courses.points(number, trial, metric, last):
        if number not in early_stopping.holding.experiments:
            return
        for step, value in points:
            early_stopping.report(AttemptKey(number, trial.number, trial.attempt), step, value)


class Received(NamedTuple):
    """Measurements that could be read, and the delivery that they came in."""

    envelope: Envelope
    delivery: Delivery


def _decode_all(
    deliveries: Sequence[Delivery], holding: Holding
) -> tuple[list[Received], list[DeadLetter]]:
    """The measurements of live experiments, and the records that cannot be read; others are
    dropped."""
    found: list[Received] = []
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
            found.append(Received(envelope, delivery))
    return found, dead


async def _store(
    measurements: Measurements, holding: Holding, received: Sequence[Received]
) -> list[DeadLetter]:
    """Store all points but those of the records that Postgres refuses, and return these."""
    reports = [
        (AttemptKey(one.envelope.experiment, body.trial, body.attempt), body.points)
        for one in received
        if isinstance(body := one.envelope.body, MetricsReported)
    ]
    if not reports:
        return []
    try:
        await measurements.store(holding.shard, holding.epoch, reports)
    except DataRefusedError as error:
        if len(received) == 1:
            return [DeadLetter(received[0].delivery, str(error))]
        middle = len(received) // 2
        halves = received[:middle], received[middle:]
        return [dead for half in halves for dead in await _store(measurements, holding, half)]
    POINTS.inc(sum(len(points) for _, points in reports))
    return []


async def _summarize(
    measurements: Measurements, holding: Holding, envelopes: list[Envelope]
) -> list[Envelope]:
    """The summaries of the attempts that have reported everything."""
    complete = {
        AttemptKey(envelope.experiment, body.trial, body.attempt)
        for envelope in envelopes
        if isinstance(body := envelope.body, MetricsCompleted)
    }
    if not complete:
        return []
    found = await measurements.collected(holding.shard, holding.epoch, complete)
    return [
        holding.seen(
            key,
            MetricsCollected(trial=key.trial, attempt=key.attempt, observation=observation),
            now(),
        )
        for key, observation in found.items()
    ]


@dataclass(slots=True)
class EarlyStopping:
    """The stopping rules of the shard's experiments; each is a cache of the stored curves."""

    holding: Holding
    rules: dict[ExperimentId, Scheduler] = field(default_factory=dict)
    pending: list[tuple[AttemptKey, str]] = field(default_factory=list)
    unsaved: dict[AttemptKey, tuple[int, int]] = field(default_factory=dict)
    """Points that are in no stored course, and the last step among them."""

    def adopt(self, course: Course) -> None:
        """Go on with what an earlier owner knew of a trial."""
        rule = self._rule(course.experiment)
        assert rule is not None
        rule.adopt(course.trial, course.state)

    def conclude(self, experiment: ExperimentId, trial: KnownTrial) -> Iterator[Course]:
        """A trial has succeeded; what is to be kept of it if nothing was."""
        rule = self._rule(experiment)
        assert rule is not None
        yield from self._saved(AttemptKey(experiment, trial.number, trial.attempt), rule)
        rule.conclude(trial.number, succeeded=trial.feasible)

    def take_courses(self, envelopes: Sequence[Envelope]) -> Iterator[Course]:
        """What is to be kept after these: of attempts that have reported all, or much since the
        last time."""
        for envelope in envelopes:
            body, rule = envelope.body, self.rules.get(envelope.experiment)
            assert isinstance(body, Measurement)
            key = AttemptKey(envelope.experiment, body.trial, body.attempt)
            new, last = self.unsaved.get(key, (0, 0))
            if rule is not None and (
                isinstance(body, MetricsCompleted) or new >= max(SAVE_POINTS, last * SAVE_SHARE)
            ):
                yield from self._saved(key, rule)

    def _saved(self, key: AttemptKey, rule: Scheduler) -> Iterator[Course]:
        new, last = self.unsaved.pop(key, (0, 0))
        if new and (state := rule.save(key.trial)) is not None:
            yield Course(key.experiment, key.trial, key.attempt, last, state)

    def observe(self, envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            match envelope.body:
                case MetricsReported(trial=trial, attempt=attempt, points=points) if self._is_live(
                    envelope.experiment, trial, attempt
                ):
                    metric = self._objective(envelope.experiment).metric
                    key = AttemptKey(envelope.experiment, trial, attempt)
                    for point in points:
                        if point.metric == metric:
                            before = len(self.pending)
                            self.report(key, point.step, point.value)
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
        experiment = recorded.envelope.experiment
        match recorded.fact:
            case TrialConcluded(trial=trial, attempt=attempt, state=state, violations=violations):
                self.unsaved.pop(AttemptKey(experiment, trial, attempt), None)
                rule.conclude(
                    trial, succeeded=state is TrialState.SUCCEEDED and feasible(violations)
                )
            case TrialScheduled(trial=trial, attempt=attempt) if attempt > 1:
                self.unsaved.pop(AttemptKey(experiment, trial, attempt - 1), None)
                rule.forget(trial)
            case ExperimentConcluded():
                del self.rules[experiment]
            case _:
                pass

    def take_stops(self) -> Iterator[Envelope]:
        """The signals to stop trials since the last call."""
        pending, self.pending = self.pending, []
        for key, message in pending:
            judged = TrialJudged(trial=key.trial, attempt=key.attempt, message=message)
            yield self.holding.seen(key, judged, now())

    def report(self, key: AttemptKey, step: int, value: float) -> None:
        """Have the rule judge a point."""
        experiment, trial = key.experiment, key.trial
        rule = self._rule(experiment)
        if rule is None or not abs(value) < float("inf"):
            return
        new, last = self.unsaved.get(key, (0, 0))
        self.unsaved[key] = new + 1, max(last, step)
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
