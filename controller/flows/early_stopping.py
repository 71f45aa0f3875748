"""The early-stopping rules of a shard: caches of the stored curves, made again from these after a
take-over, a resume, or a failure."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from math import isfinite
from typing import assert_never

from algorithms.scheduling import Clone, Continue, Pause, Promote, Scheduler, Stop, create_scheduler
from controller.core.experiment import Experiment
from controller.core.recorded import Recorded
from controller.store.courses import Course, Courses, KnownTrial
from controller.store.holding import Holding
from controller.store.quarantine import is_own
from controller.telemetry.catalogue import STOP
from events.clock import now
from events.envelope import Envelope
from events.facts import (
    ExperimentConcluded,
    ExperimentResumed,
    TrialConcluded,
    TrialScheduled,
    TrialState,
)
from events.ids import AttemptKey, ExperimentId, TrialNumber
from events.metrics import Measurement, MetricsCompleted, MetricsReported
from events.signals import TrialJudged
from events.spec.objective import Objective
from events.spec.outcomes import feasible

FLOW = "judge"
TRIALS_AT_ONCE = 50
"""Trials whose courses are read at once when a rule is restored."""
SAVE_POINTS, SAVE_SHARE = 2_000, 0.05
"""The course of a running attempt is stored again after so many points, and this part of all."""


async def restore(early_stopping: "EarlyStopping", courses: Courses) -> None:
    """Make the rules that are due from what is stored."""
    while early_stopping.due:
        experiment_id = early_stopping.due.pop()
        try:
            await _restore(early_stopping, courses, experiment_id)
        except Exception as error:
            early_stopping.give_up(experiment_id, error)


async def _restore(
    early_stopping: "EarlyStopping", courses: Courses, experiment_id: ExperimentId
) -> None:
    """Learn from what is stored, unless the rule of the experiment is live."""
    holding = early_stopping.holding
    experiment = holding.experiments.get(experiment_id)
    if (
        experiment is None
        or experiment.spec.early_stopping is None
        or experiment_id in early_stopping.rules
        or experiment_id in early_stopping.waiting
    ):
        return
    trials = await courses.trials(experiment_id)
    for first in range(0, len(trials), TRIALS_AT_ONCE):
        part = trials[first : first + TRIALS_AT_ONCE]
        known, made = await courses.find(experiment_id, part), list[Course]()
        for trial in part:
            await asyncio.sleep(0)  # so that nobody waits for all of them
            if experiment_id not in holding.experiments:  # it has ended meanwhile
                return
            course = known.get(trial.number)
            if course is not None and not early_stopping.adopt(course):
                course = None
            if course is None or not trial.succeeded:
                await _retell(early_stopping, courses, experiment, trial, course)
            if trial.succeeded and experiment_id in holding.experiments:
                made += early_stopping.conclude(experiment_id, trial)
        if made:
            await courses.keep(holding.shard, holding.epoch, made)


async def _retell(
    early_stopping: "EarlyStopping",
    courses: Courses,
    experiment: Experiment,
    trial: KnownTrial,
    course: Course | None,
) -> None:
    """Tell the rule the points of a trial that are in no course."""
    number, metric = experiment.identity.id, experiment.spec.first_objective.metric
    last = course.last if course is not None else 0
    async for points in courses.points(number, trial, metric, last):
        if number not in early_stopping.holding.experiments:
            return
        key = AttemptKey(number, trial.number, trial.attempt)
        early_stopping.report(key, ((step, value, None) for step, value in points))


@dataclass(slots=True)
class EarlyStopping:
    """The stopping rules of the shard's experiments. A rule that fails puts its experiment into
    quarantine and is dropped; it judges again when it was made from what is stored."""

    holding: Holding
    rules: dict[ExperimentId, Scheduler] = field(default_factory=dict)
    pending: dict[AttemptKey, str] = field(default_factory=dict)
    """Attempts to stop, and why."""
    unsaved: dict[AttemptKey, tuple[int, int]] = field(default_factory=dict)
    """Points that are in no stored course, and the last step among them."""
    due: set[ExperimentId] = field(default_factory=set)
    """Their rules are to be restored."""
    waiting: set[ExperimentId] = field(default_factory=set)
    """Their rules are to be restored after a quarantine."""

    def give_up(self, experiment: ExperimentId, error: Exception) -> None:
        """The rule has failed. Raises `error` if that concerns others, too."""
        if not is_own(error):
            raise error
        self.holding.quarantine.add(experiment, FLOW, error)
        self.drop(experiment)

    def drop(self, experiment: ExperimentId) -> None:
        """Forget the rule until the quarantine of the experiment is over."""
        self.rules.pop(experiment, None)
        for key in [key for key in self.unsaved if key.experiment == experiment]:
            del self.unsaved[key]
        if experiment not in self.waiting:
            self.waiting.add(experiment)
            self.holding.quarantine.park(experiment, partial(self._retry, experiment))

    def _retry(self, experiment: ExperimentId) -> None:
        self.waiting.discard(experiment)
        self.due.add(experiment)

    def adopt(self, course: Course) -> bool:
        """Go on with what an earlier owner knew of a trial, if this version can read it."""
        rule = self._rule(course.experiment)
        assert rule is not None
        try:
            rule.adopt(course.trial, course.state)
        except ValueError:
            return False
        return True

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
                try:
                    yield from self._saved(key, rule)
                except Exception as error:
                    self.give_up(envelope.experiment, error)

    def _saved(self, key: AttemptKey, rule: Scheduler) -> Iterator[Course]:
        new, last = self.unsaved.pop(key, (0, 0))
        if new and (state := rule.save(key.trial)) is not None:
            yield Course(key.experiment, key.trial, key.attempt, last, state)

    def observe(self, envelopes: Sequence[Envelope]) -> None:
        """Show the points of live attempts to the rules."""
        for envelope in envelopes:
            if isinstance(envelope.body, MetricsReported):
                try:
                    self._observe(envelope.experiment, envelope.body)
                except Exception as error:
                    self.give_up(envelope.experiment, error)

    def _observe(self, experiment: ExperimentId, body: MetricsReported) -> None:
        key = AttemptKey(experiment, body.trial, body.attempt)
        if self.holding.live(key) is None:
            return
        metric = self._objective(experiment).metric
        self.report(
            key, ((one.step, one.value, one.at) for one in body.points if one.metric == metric)
        )

    def learn(self, recorded: Recorded) -> None:
        """Tell the rule about conclusions, which it compares with, and new attempts, which start
        over."""
        experiment = recorded.envelope.experiment
        if isinstance(recorded.fact, ExperimentResumed):
            self.due.add(experiment)
        elif (rule := self.rules.get(experiment)) is not None:
            try:
                self._learn(experiment, rule, recorded)
            except Exception as error:
                self.give_up(experiment, error)

    def _learn(self, experiment: ExperimentId, rule: Scheduler, recorded: Recorded) -> None:
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
        pending, self.pending = self.pending, {}
        for key, message in pending.items():
            judged = TrialJudged(trial=key.trial, attempt=key.attempt, message=message)
            yield self.holding.seen(key, judged, now())

    def report(self, key: AttemptKey, points: Iterable[tuple[int, float, datetime | None]]) -> None:
        """Have the rule judge points: step, value, and when a live one was reported."""
        rule = self._rule(key.experiment)
        if rule is None:
            return
        objective = self._objective(key.experiment)
        new, last = self.unsaved.get(key, (0, 0))
        for step, value, at in points:
            if isfinite(value):
                new, last = new + 1, max(last, step)
                decision = rule.observe(key.trial, step, objective.loss(value))
                if not isinstance(decision, Continue):
                    self._act(key, decision, at)
        if new:
            self.unsaved[key] = new, last

    def _act(
        self, key: AttemptKey, decision: Stop | Pause | Promote | Clone, at: datetime | None
    ) -> None:
        match decision:
            case Stop(reason=reason):
                if self._stop(key.experiment, key.trial, reason) and at is not None:
                    STOP.observe(max(0.0, (now() - at).total_seconds()))
            case Pause() | Promote() | Clone():
                raise NotImplementedError(
                    f"{decision} is not supported yet; admission refuses such rules"
                )
            case _:
                assert_never(decision)

    def _stop(self, experiment: ExperimentId, trial: TrialNumber, reason: str) -> bool:
        """Ask for the stop of the trial's live attempt, once; False if it was asked before."""
        held = self.holding.experiments[experiment]
        live = held.progress.live.get(trial)
        if live is None or live.stopping is not None:
            return False
        key = AttemptKey(experiment, trial, live.attempt)
        if key in self.pending:
            return False
        wanted = held.spec.early_stopping
        assert wanted is not None
        self.pending[key] = f"{wanted.algorithm_name}: {reason}"
        return True

    def _rule(self, experiment: ExperimentId) -> Scheduler | None:
        if experiment in self.waiting:
            return None
        if experiment not in self.rules:
            rule = create_scheduler(self.holding.experiments[experiment].spec)
            if rule is None:
                return None
            self.rules[experiment] = rule
        return self.rules[experiment]

    def _objective(self, experiment: ExperimentId) -> Objective:
        return self.holding.experiments[experiment].spec.first_objective
