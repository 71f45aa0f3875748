"""Live searches: asked with what is new, or made from their journal, they suggest the same."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.search import create_search
from algorithms.search.journal import Asked, Told
from algorithms.search.live import Origin, Question, Searches
from events.spec.experiment import ExperimentSpec
from events.spec.space import Assignment
from tests.algorithms.spaces import MIXED, experiment, outcome
from tests.tiers import tiered

NAMES = ("random", "sobol", "nevergrad")
TRIALS = 12


def spec(name: str) -> ExperimentSpec:
    return experiment(MIXED, name, {}, TRIALS, parallel=2)


def told(trial: int) -> Told:
    return Told(trial, outcome(None if trial % 5 == 0 else trial * 7 % 11))


def plain(name: str) -> list[Assignment]:
    """A search of its own, asked and told in turn."""
    search, suggestions = create_search(spec(name), 1), list[Assignment]()
    for number in range(1, TRIALS + 1):
        suggestions += search.ask(1)
        search.tell(number, told(number).outcome)
    return suggestions


@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=40), st.integers(1, 3))
@settings(max_examples=tiered(15))
def test_forgetting_changes_no_suggestion(turns: list[str], most: int) -> None:
    """Several searches in turns, in a process that keeps only `most` and whose global random
    numbers are disturbed."""
    searches = Searches(most)
    suggested: dict[str, list[Assignment]] = {name: [] for name in NAMES}
    for turn, name in enumerate(turns):
        random.seed(turn)
        np.random.seed(turn)
        known = suggested[name]
        if len(known) == TRIALS:
            continue
        news = (told(len(known)),) if known else ()
        answer = searches.answer(Question(name, len(known), news, 1))
        if answer is None:
            journal: list[Asked | Told] = []
            for number, assignment in enumerate(known, 1):
                journal += (
                    [Asked(assignment), told(number)]
                    if number < len(known)
                    else [Asked(assignment)]
                )
            answer = searches.answer(
                Question(name, len(known), news, 1, Origin(spec(name), 1)), journal
            )
        assert answer is not None
        known += answer.assignments
        assert len(searches) <= most
    for name, known in suggested.items():
        assert known == plain(name)[: len(known)]


def test_the_one_asked_last_stays() -> None:
    searches = Searches(2)
    for name in ("a", "b"):
        assert searches.answer(Question(name, 0, (), 1, Origin(spec("random"), 1)))
    assert searches.answer(Question("a", 1, (), 1))
    assert searches.answer(Question("c", 0, (), 1, Origin(spec("random"), 1)))
    assert searches.answer(Question("b", 1, (), 1)) is None
    assert searches.answer(Question("a", 2, (), 1))


@pytest.mark.parametrize("answered", [0, 2])
def test_a_search_in_another_state_does_not_answer(answered: int) -> None:
    searches = Searches()
    assert searches.answer(Question("a", 0, (), 1, Origin(spec("random"), 1)))
    assert searches.answer(Question("a", answered, (), 1)) is None
    assert len(searches) == 0


def test_a_search_that_nobody_will_ask_is_forgotten() -> None:
    searches = Searches()
    assert searches.answer(Question("a", 0, (), 1, Origin(spec("random"), 1)))
    assert searches.answer(
        Question("b", 0, (), 1, Origin(spec("random"), 1), forget=("a", "unknown"))
    )
    assert len(searches) == 1


def test_each_piece_of_a_replay_is_a_step() -> None:
    steps: list[None] = []
    journal = [
        Asked({"lr": 0.1, "momentum": 0.1, "layers": 1, "batch": "8", "optimizer": "sgd"})
    ] * 3
    Searches().answer(
        Question("a", 0, (), 1, Origin(spec("random"), 1)), journal, lambda: steps.append(None)
    )
    assert len(steps) >= len(journal)
