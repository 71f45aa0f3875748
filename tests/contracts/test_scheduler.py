"""Every scheduler keeps the promises of its port (algorithms/scheduling/port.py), whatever it
decides."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import assert_never

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.scheduling import (
    CONTINUE,
    RULES,
    Clone,
    Scheduler,
    SchedulingDecision,
    create_scheduler,
    scheduler_problems,
)
from events.spec.experiment import ExperimentSpec
from events.spec.objective import Direction, Objective
from events.spec.space import Scalar
from tests.algorithms.spaces import SMALL, algorithm_spec, experiment

BUSY: dict[str, dict[str, Scalar]] = {"medianstop": {"min_trials_required": 1, "start_step": 1}}
"""Settings with which a scheduler decides after few reports; without them most decisions would be
to go on."""
TRIALS = 6


@dataclass(frozen=True, slots=True)
class Report:
    """The next report of a trial, `step` further than its last one."""

    trial: int
    step: int
    value: float


@dataclass(frozen=True, slots=True)
class End:
    trial: int
    succeeded: bool


@dataclass(frozen=True, slots=True)
class Restart:
    trial: int


Call = Report | End | Restart
BEFORE: tuple[Call, ...] = (Report(99, 1, 0.0), End(99, True))
"""A trial that has succeeded before each history, so that there is something to compare with."""
trials = st.integers(1, TRIALS)
reports = st.builds(Report, trials, st.integers(1, 2), st.integers(-8, 8).map(float))
ends = st.builds(End, trials, st.booleans())
histories = st.lists(reports | reports | ends | st.builds(Restart, trials), max_size=60)
every_scheduler = pytest.mark.parametrize("name", RULES)
thorough = settings(max_examples=100, deadline=None)


def spec_of(name: str, direction: Direction = Direction.MINIMIZE) -> ExperimentSpec:
    wanted = algorithm_spec(name, BUSY[name])
    objective = Objective(type=direction, objectiveMetricName="quality")
    return experiment(SMALL).model_copy(update={"objective": objective, "early_stopping": wanted})


class Run:
    """One scheduler, told a history; each trial counts its own reports, as collectors do."""

    def __init__(self, spec: ExperimentSpec) -> None:
        scheduler = create_scheduler(spec)
        assert scheduler is not None
        self.scheduler: Scheduler = scheduler
        self.objective = spec.first_objective
        self.last: dict[int, int] = {}
        self.spec = spec
        self.succeeded: set[int] = set()
        self.left: dict[int, bytes] = {}
        """What trials that have succeeded had left."""
        self.play(BEFORE)

    def play(self, calls: Iterable[Call]) -> list[SchedulingDecision]:
        return [decision for call in calls for decision in self._call(call)]

    def _call(self, call: Call) -> list[SchedulingDecision]:
        match call:
            case Report(trial, step, value):
                self.last[trial] = self.last.get(trial, 0) + step
                return [self.report(trial, self.last[trial], value)]
            case End(trial, succeeded):
                left = self.scheduler.save(trial)
                if succeeded and left is not None and trial not in self.left:
                    self.left[trial] = left
                self.scheduler.conclude(trial, succeeded=succeeded)
                self.succeeded |= {trial} if succeeded and trial in self.left else set()
                if trial not in self.left:  # nothing is known of it any more
                    self.last.pop(trial, None)
            case Restart(trial):
                self.scheduler.forget(trial)
                self.last.pop(trial, None)
            case _:
                assert_never(call)
        return []

    def report(self, trial: int, step: int, value: float) -> SchedulingDecision:
        return self.scheduler.observe(trial, step, self.objective.loss(value))

    def hand_over(self) -> None:
        """Let another scheduler go on, with what is left of the trials."""
        heir = create_scheduler(self.spec)
        assert heir is not None
        for trial, left in self.left.items():
            heir.adopt(trial, left)
            heir.conclude(trial, succeeded=True)
        for trial in self.last:
            if (running := self.scheduler.save(trial)) is not None:
                heir.adopt(trial, running)
        self.scheduler = heir


def renumbered(call: Call, numbers: Mapping[int, int]) -> Call:
    return replace(call, trial=numbers[call.trial])


def with_numbers(decision: SchedulingDecision, numbers: Mapping[int, int]) -> SchedulingDecision:
    if not isinstance(decision, Clone):
        return decision
    return replace(decision, source=numbers.get(decision.source, decision.source))


@every_scheduler
def test_the_examples_are_valid_and_make_it_decide(name: str) -> None:
    assert list(scheduler_problems(spec_of(name))) == []
    calls: list[Call] = [
        *(Report(trial, 1, 0.0) for trial in (1, 2, 3)),
        *(End(trial, True) for trial in (1, 2, 3)),
    ]
    decisions = Run(spec_of(name)).play(
        [*calls, *(Report(trial, 1, float(trial - 4)) for trial in (4, 5, 6))]
    )
    assert len({type(decision) for decision in decisions}) > 1


@every_scheduler
@given(calls=histories)
@thorough
def test_it_makes_the_decisions_that_the_registry_names(name: str, calls: list[Call]) -> None:
    assert {type(decision) for decision in Run(spec_of(name)).play(calls)} <= RULES[name].decisions


@every_scheduler
@given(calls=histories)
@thorough
def test_the_order_of_the_calls_decides_and_nothing_else(name: str, calls: list[Call]) -> None:
    assert Run(spec_of(name)).play(calls) == Run(spec_of(name)).play(calls)


@every_scheduler
@given(calls=histories, numbers=st.permutations(range(1, TRIALS + 1)))
@thorough
def test_numbers_only_tell_trials_apart(name: str, calls: list[Call], numbers: list[int]) -> None:
    other = {trial: 10 * numbers[trial - 1] for trial in range(1, TRIALS + 1)}
    found = Run(spec_of(name)).play(renumbered(call, other) for call in calls)
    assert found == [with_numbers(decision, other) for decision in Run(spec_of(name)).play(calls)]


@every_scheduler
@given(
    calls=histories,
    late=st.lists(st.tuples(trials, st.integers(0, 3), st.floats(-9, 9)), max_size=60),
)
@thorough
def test_late_and_repeated_reports_change_nothing(
    name: str, calls: list[Call], late: list[tuple[int, int, float]]
) -> None:
    disturbed, plain = Run(spec_of(name)), Run(spec_of(name))
    for call, (trial, back, value) in zip(
        calls, [*late, *[(1, 0, 0.0)] * len(calls)], strict=False
    ):
        assert disturbed.play([call]) == plain.play([call])
        if disturbed.last.get(trial, 0) > back:
            assert disturbed.report(trial, disturbed.last[trial] - back, value) == CONTINUE


@every_scheduler
@given(calls=histories, after=histories)
@thorough
def test_reports_of_a_trial_that_has_succeeded_change_nothing(
    name: str, calls: list[Call], after: list[Call]
) -> None:
    disturbed, plain = Run(spec_of(name)), Run(spec_of(name))
    assert disturbed.play(calls) == plain.play(calls)
    for trial in disturbed.succeeded:
        for value in (-9.0, 9.0):
            assert disturbed.report(trial, disturbed.last.get(trial, 0) + 5, value) == CONTINUE
    assert disturbed.play(after) == plain.play(after)


@every_scheduler
@given(calls=histories, lost=st.lists(reports, max_size=8), after=histories)
@thorough
def test_a_trial_that_is_forgotten_is_as_if_it_had_never_reported(
    name: str, calls: list[Call], lost: list[Report], after: list[Call]
) -> None:
    stranger = TRIALS + 1
    again, fresh = Run(spec_of(name)), Run(spec_of(name))
    again.play([*calls, *(replace(report, trial=stranger) for report in lost), Restart(stranger)])
    fresh.play(calls)
    anew: list[Call] = [Report(stranger, 1, 0.0), Report(stranger, 1, 1.0), End(stranger, True)]
    assert again.play([*anew, *after]) == fresh.play([*anew, *after])


@every_scheduler
@given(calls=histories, after=histories)
@thorough
def test_another_goes_on_with_what_trials_have_left(
    name: str, calls: list[Call], after: list[Call]
) -> None:
    handed, plain = Run(spec_of(name)), Run(spec_of(name))
    assert handed.play(calls) == plain.play(calls)
    handed.hand_over()
    assert handed.play(after) == plain.play(after)


@every_scheduler
@given(calls=histories)
@thorough
def test_a_maximum_is_judged_like_the_minimum_of_its_negative(name: str, calls: list[Call]) -> None:
    upwards = [
        replace(call, value=-call.value) if isinstance(call, Report) else call for call in calls
    ]
    found = Run(spec_of(name, Direction.MAXIMIZE)).play(upwards)
    assert found == Run(spec_of(name)).play(calls)
