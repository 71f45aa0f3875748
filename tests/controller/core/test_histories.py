"""Whatever comes in, in whatever order and however often: budgets hold, and a trial has one
conclusion."""

import random
from collections import Counter
from datetime import timedelta
from functools import reduce

import orjson
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from controller.core.best import MOST_MEMBERS, best_trials
from controller.core.decide import decide
from controller.core.evolve import evolve
from controller.core.experiment import Experiment, Progress
from controller.core.pareto import front
from events.facts import (
    TERMINAL,
    Cause,
    ExperimentConcluded,
    ExperimentDeleted,
    ExperimentResumed,
    ExperimentState,
    Fact,
    Reason,
    StopReason,
    SuggestionsRequested,
    TrialConcluded,
    TrialScheduled,
    TrialStopRequested,
)
from events.ids import TrialNumber
from events.signals import (
    MetricsCollected,
    PauseRequested,
    ResumeRequested,
    Signal,
    SuggestionsMade,
    TimePassed,
    WorkloadEnded,
    WorkloadStarted,
)
from tests.controller.core.histories import START, experiment, histories, observation

PROGRESS = TypeAdapter(Progress)


class Watch:
    """Folds a history and checks every promise after each signal."""

    def __init__(self, state: Experiment) -> None:
        self.state = state
        self.facts: list[Fact] = []
        self.conclusions: Counter[int] = Counter()
        self.clock = START

    def hear(self, signal: Signal) -> tuple[Fact, ...]:
        self.clock += timedelta(seconds=1)
        before = self.state
        facts, self.state = decide(before, signal, self.clock)
        assert self.state == reduce(evolve, facts, before)
        self.facts += facts
        self.conclusions.update(fact.trial for fact in facts if isinstance(fact, TrialConcluded))
        self._check(before, facts)
        return facts

    def _check(self, before: Experiment, facts: tuple[Fact, ...]) -> None:
        progress, spec = self.state.progress, self.state.spec
        assert progress.version == before.progress.version + len(facts)
        # An edit may allow less than there is already: then nothing is added.
        was = before.progress
        if spec.max_trial_count is not None:
            assert progress.proposed <= max(spec.max_trial_count, was.proposed)
        assert len(progress.live) <= max(spec.parallel, len(was.live))
        assert max(self.conclusions.values(), default=1) == 1
        assert progress.counts.concluded == len(self.conclusions)
        assert progress.counts.concluded + len(progress.live) == progress.proposed
        assert not set(self.conclusions) & set(progress.live)
        assert all(fact.state in TERMINAL for fact in facts if isinstance(fact, TrialConcluded))
        if before.done and not any(isinstance(fact, ExperimentResumed) for fact in facts):
            assert self.state.progress.state is before.progress.state
            assert self.state.progress.best == before.progress.best
        if self.state.done:
            assert not progress.live
        deleted = [
            place for place, fact in enumerate(self.facts) if isinstance(fact, ExperimentDeleted)
        ]
        assert deleted == ([len(self.facts) - 1] if progress.deleting and self.state.done else [])
        self._check_best(facts)

    def _check_best(self, facts: tuple[Fact, ...]) -> None:
        progress, spec = self.state.progress, self.state.spec
        ranked = [
            fact
            for fact in self.facts
            if isinstance(fact, TrialConcluded)
            and fact.state in ("Succeeded", "EarlyStopped")
            and None not in fact.values
        ]
        good = [fact for fact in ranked if all(amount == 0 for amount in fact.violations)]
        assert progress.infeasible == len([fact for fact in ranked if any(fact.violations)])
        if spec.multi_objective:
            points = (
                (fact.trial, spec.losses([value for value in fact.values if value is not None]))
                for fact in good
            )
            whole, kept = (
                {trial for trial, _ in front(points)},
                {member.trial for member in progress.front},
            )
            assert kept == whole if len(whole) <= MOST_MEMBERS else kept < whole
        elif good:
            assert progress.best is not None
            assert progress.best.value == min(fact.value for fact in good if fact.value is not None)
        assert (progress.best is None) or not spec.multi_objective
        said = [fact.trial for fact in facts if isinstance(fact, TrialConcluded) and fact.best]
        new = {fact.trial for fact in facts if isinstance(fact, TrialConcluded)}
        assert said == [trial for trial in best_trials(progress) if trial in new]


@given(
    histories,
    st.none() | st.integers(1, 10),
    st.integers(1, 4),
    st.none() | st.integers(0, 4),
    st.none() | st.floats(-5, 5),
    st.sampled_from(["", "  retry: {maxRetries: 2}"]),
    st.booleans(),
)
def test_any_history_keeps_the_promises(
    history: list[tuple[Signal, int]],
    total: int | None,
    parallel: int,
    failed: int | None,
    goal: float | None,
    extra: str,
    several: bool,
) -> None:
    if total is not None:
        parallel, failed = min(parallel, total), None if failed is None else min(failed, total)
    watch = Watch(experiment(total, parallel, failed, goal, extra, several=several))
    for signal, times in history:
        for again in range(times):
            facts = watch.hear(signal)
            if again and isinstance(
                signal, WorkloadStarted | WorkloadEnded | MetricsCollected | SuggestionsMade
            ):
                assert facts == ()
    stored = orjson.loads(
        orjson.dumps(PROGRESS.dump_python(watch.state.progress, mode="json", exclude_defaults=True))
    )
    assert PROGRESS.validate_python(stored) == watch.state.progress


class World:
    """A cluster and a search that answer every effect, late, doubled and out of order."""

    def __init__(self, seed: int, causes: list[Cause]) -> None:
        self.dice = random.Random(seed)
        self.causes = causes
        self.waiting: list[Signal] = []
        self.started: set[tuple[int, int]] = set()

    def react(self, fact: Fact) -> None:
        match fact:
            case SuggestionsRequested(request=request, count=count):
                self._say(SuggestionsMade(request=request, assignments=({"x": 0.5},) * count))
            case TrialScheduled(trial=trial, attempt=attempt):
                assert (trial, attempt) not in self.started, "an attempt is started once"
                self.started.add((trial, attempt))
                self._say(WorkloadStarted(trial=TrialNumber(trial), attempt=attempt))
                self._say(
                    WorkloadEnded(
                        trial=TrialNumber(trial),
                        attempt=attempt,
                        cause=self.dice.choice(self.causes),
                    )
                )
                value = self.dice.choice([None, 1.0, 2.0, 3.0])
                self._say(
                    MetricsCollected(
                        trial=TrialNumber(trial), attempt=attempt, observation=observation(value)
                    )
                )
            case TrialStopRequested(trial=trial, attempt=attempt):
                self._say(
                    WorkloadEnded(trial=TrialNumber(trial), attempt=attempt, cause=Cause.CANCELLED)
                )
            case _:
                pass

    def _say(self, signal: Signal) -> None:
        self.waiting += [signal] * self.dice.choice([1, 1, 2])

    def next(self) -> Signal:
        return self.waiting.pop(self.dice.randrange(len(self.waiting)))


@given(
    st.integers(0, 10**9),
    st.integers(1, 12),
    st.integers(1, 4),
    st.lists(st.sampled_from(Cause), min_size=1, max_size=6),
)
def test_a_world_that_answers_brings_every_experiment_to_exactly_its_budget(
    seed: int, total: int, parallel: int, causes: list[Cause]
) -> None:
    world = World(seed, [*causes, Cause.COMPLETED])
    watch = Watch(experiment(total, min(parallel, total), extra="  retry: {maxRetries: 1}"))
    signal: Signal = TimePassed()
    for _ in range(5_000):
        for fact in watch.hear(signal):
            world.react(fact)
        if watch.state.progress.state is ExperimentState.PAUSED:
            world.waiting.append(ResumeRequested())
        if watch.state.done:
            break
        interrupt = world.dice.random() < 0.02
        signal = PauseRequested() if interrupt else world.next()
    concluded = watch.facts[-1]
    assert isinstance(concluded, ExperimentConcluded)
    assert concluded.reason is Reason.MAX_TRIALS_REACHED
    assert sorted(watch.conclusions) == list(range(1, total + 1))


def test_the_end_stops_what_still_runs_and_comes_after_it() -> None:
    watch = Watch(experiment(10, 3, goal=1.5))
    watch.hear(TimePassed())
    watch.hear(SuggestionsMade(request=1, assignments=({"x": 1.0},) * 3))
    watch.hear(WorkloadEnded(trial=TrialNumber(1), attempt=1, cause=Cause.COMPLETED))
    facts = watch.hear(
        MetricsCollected(trial=TrialNumber(1), attempt=1, observation=observation(1.0))
    )
    stops = [fact for fact in facts if isinstance(fact, TrialStopRequested)]
    assert [(stop.trial, stop.reason) for stop in stops] == [
        (2, StopReason.EXPERIMENT_ENDED),
        (3, StopReason.EXPERIMENT_ENDED),
    ]
    assert not watch.state.done
    for trial in (2, 3):
        watch.hear(WorkloadEnded(trial=TrialNumber(trial), attempt=1, cause=Cause.CANCELLED))
        watch.hear(MetricsCollected(trial=TrialNumber(trial), attempt=1, observation={}))
    end = watch.facts[-1]
    assert isinstance(end, ExperimentConcluded)
    assert (end.reason, end.best) == (Reason.GOAL_REACHED, 1)
    assert watch.state.progress.counts.killed == 2
