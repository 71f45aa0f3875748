"""What is best, one rule at a time: constraints, goals, the bounded front, the reference point."""

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.best import MOST_MEMBERS, REFERENCE_TRIALS, front_volume, reference_point
from controller.core.experiment import Best, Experiment
from controller.core.pareto import covers, hypervolume
from events.facts import Cause, Reason, TrialConcluded, TrialState
from events.ids import TrialNumber
from events.spec.objective import Observation, Summary
from tests.controller.core.histories import experiment, outcome
from tests.controller.core.test_decisions import end, running


def concluded(state: Experiment, *seen: Observation) -> tuple[Experiment, list[TrialConcluded]]:
    """The experiment after trials 1, 2, … that succeeded with these observations, and their
    conclusions."""
    watch = running(state, len(seen))
    made = [end(watch, trial, Cause.COMPLETED, one) for trial, one in enumerate(seen, 1)]
    assert all(made)
    return watch.state, [one for one in made if one is not None]


coordinates = st.integers(0, 3).map(float)


@given(
    st.lists(
        st.builds(outcome, coordinates, coordinates, st.sampled_from([0.0, 5.0, 6.0])), max_size=12
    )
)
def test_after_each_conclusion_the_front_is_by_its_definition(seen: list[Observation]) -> None:
    """The watch compares after each."""
    concluded(experiment(20, 12, several=True), *seen)


def test_a_trial_that_misses_a_constraint_is_never_the_best_and_reaches_no_goal() -> None:
    constrained = experiment(5, 3, goal=2.0, extra="  outcomeConstraints: [latency <= 5]")
    state, facts = concluded(constrained, outcome(1, 0, 6), outcome(4, 0, 5), outcome(3, 0, 5.5))
    assert [fact.state for fact in facts] == [TrialState.SUCCEEDED] * 3
    assert [fact.violations for fact in facts] == [(1.0,), (0.0,), (0.5,)]
    assert [fact.best for fact in facts] == [False, True, False]
    assert (state.progress.best and state.progress.best.trial, state.progress.infeasible) == (2, 2)
    assert state.progress.verdict is None


def test_of_texts_the_latest_of_a_trial_that_succeeded_is_the_best() -> None:
    text = {"loss": Summary(text="Genotype()")}
    state, facts = concluded(experiment(5, 3), text, {}, text)
    states = [TrialState.SUCCEEDED, TrialState.METRICS_UNAVAILABLE, TrialState.SUCCEEDED]
    assert [fact.state for fact in facts] == states
    assert [fact.best for fact in facts] == [True, False, True]
    assert [fact.value for fact in facts] == [None] * 3
    assert state.progress.best == Best(TrialNumber(3), None)
    watch = running(experiment(5, 1), 1)
    failed = end(watch, 1, Cause.ERROR, text)
    assert failed is not None
    assert not failed.best


def test_a_text_reaches_no_goal_and_a_number_is_better_than_it() -> None:
    text, number = {"loss": Summary(text="Genotype()")}, outcome(9, None, None)
    state, _ = concluded(experiment(5, 3, goal=2.0), text, number)
    assert state.progress.best == Best(TrialNumber(2), 9.0)
    assert state.progress.verdict is None


@pytest.mark.parametrize(("seen", "named"), [((1, None, 3), "'size'"), ((1, 2, None), "'latency'")])
def test_every_objective_and_constraint_needs_its_metric(seen: tuple[Any, ...], named: str) -> None:
    _, facts = concluded(experiment(5, 1, several=True), outcome(*seen))
    assert facts[0].state is TrialState.METRICS_UNAVAILABLE
    assert named in facts[0].message
    assert "reported once" in facts[0].message


def test_one_trial_must_meet_all_goals() -> None:
    aims = experiment(9, 4, goal=2.0, several=True)
    state, _ = concluded(aims, outcome(2, 4, 0), outcome(3, 5, 0), outcome(1, 9, 6))
    assert state.progress.verdict is None
    state, _ = concluded(aims, outcome(2, 5, 0))
    assert state.progress.verdict is not None
    assert state.progress.verdict.reason is Reason.GOAL_REACHED


def test_the_front_stays_small_keeps_its_ends_and_the_newest() -> None:
    dice = random.Random(1)
    places = [dice.random() for _ in range(3 * MOST_MEMBERS)]
    seen = [
        outcome(place, math.sqrt(place), 0) for place in places
    ]  # minimised, maximised: all on the front
    state, facts = concluded(experiment(1000, 500, several=True), *seen)
    members = state.progress.front
    assert len(members) == MOST_MEMBERS
    assert all(fact.best for fact in facts)
    assert {places.index(min(places)) + 1, places.index(max(places)) + 1} <= {
        member.trial for member in members
    }
    assert not any(
        covers(one, other)
        for one in (state.spec.losses(member.values) for member in members)
        for other in (state.spec.losses(member.values) for member in members)
        if one != other
    )
    whole = hypervolume(((place, -math.sqrt(place)) for place in places), (1.0, 0.0))
    kept = hypervolume((state.spec.losses(member.values) for member in members), (1.0, 0.0))
    assert kept > 0.99 * whole


def test_the_reference_point_is_the_worst_of_the_first_trials_and_then_stays() -> None:
    first = [outcome(n, -n, 9 if n == 8 else 0) for n in range(1, REFERENCE_TRIALS + 1)]
    later = [outcome(0.5, -50, 0), outcome(50, 1, 0)]
    state, _ = concluded(experiment(50, 20, several=True), *first)
    assert reference_point(state) == (10, -10)
    assert front_volume(state) == 9 * 9
    state, _ = concluded(experiment(50, 20, several=True), *first, *later)
    assert reference_point(state) == (10, -10)
    assert front_volume(state) == 9 * 9


def test_the_reference_point_that_is_given_counts() -> None:
    state, _ = concluded(experiment(50, 20, several=True), outcome(1, 1, 0))
    first, second = state.spec.objectives
    objectives = (first.model_copy(update={"reference": 3.0}), second)
    given = state.spec.model_copy(update={"objectives": objectives})
    fresh = Experiment(type(state.identity)(state.identity.id, "e", "default", given, 1))
    assert reference_point(fresh) is None
    state, _ = concluded(fresh, outcome(2, 0, 0), outcome(1, -1, 0))
    assert reference_point(state) == (3.0, -1)


def test_a_conclusion_from_before_there_were_several_says_one_value() -> None:
    old = {"trial": 1, "attempt": 1, "state": "Succeeded", "cause": "Completed", "value": 0.5}
    assert TrialConcluded.model_validate(old).values == (0.5,)
    assert TrialConcluded.model_validate({**old, "value": None}).values == ()
    seen = {"loss": Summary(min=0.5, max=0.5, latest=0.5, count=1)}
    fresh = TrialConcluded(
        trial=TrialNumber(1),
        attempt=1,
        state=TrialState.FAILED,
        cause=Cause.ERROR,
        observation=seen,
        values=(None, 1.0),
    )
    assert TrialConcluded.model_validate_json(fresh.model_dump_json()) == fresh
