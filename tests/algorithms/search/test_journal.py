"""Replay: the restored search goes on as the original would; a foreign journal is adopted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.search import create_search
from algorithms.search.journal import Asked, Told, restore
from algorithms.search.port import Search
from events.spec.experiment import ExperimentSpec
from tests.algorithms.spaces import (
    GRIDDED,
    MIXED,
    OPTIMIZERS,
    SMALL,
    experiment,
    of_each_family,
    outcome,
)
from tests.tiers import tiered

NAMES = of_each_family(["random", "sobol", "grid", *OPTIMIZERS])
Step = tuple[str, int, float | None]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.just(0), st.none()),
        st.tuples(st.just("tell"), st.integers(1, 60), st.none() | st.floats(-1e3, 1e3)),
    ),
    min_size=1,
    max_size=60,
)


def spec_for(name: str, trials: int = 60) -> ExperimentSpec:
    if name in ("random", "sobol", "grid"):
        return experiment(GRIDDED if name == "grid" else MIXED, name, {}, trials)
    return experiment(MIXED, "nevergrad", {"optimizer": name}, trials, parallel=2)


def played(search: Search, steps: list[Step]) -> list[Asked | Told]:
    """The journal of a search that lives through `steps`."""
    journal: list[Asked | Told] = []
    for kind, trial, loss in steps:
        if kind == "ask":
            journal += [Asked(assignment) for assignment in search.ask(1)]
        else:
            search.tell(trial, outcome(loss))
            journal.append(Told(trial, outcome(loss)))
    return journal


def usual(trials: int) -> list[Step]:
    steps: list[Step] = []
    for trial in range(1, trials + 1):
        steps.append(("ask", 0, None))
        if trial > 3:
            steps.append(("tell", trial - 3, None if trial % 6 == 0 else (trial * 7919) % 101 / 10))
    return steps


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cut", [1, 30, 77])
def test_a_restored_search_goes_on_as_the_original(name: str, cut: int) -> None:
    original = create_search(spec_for(name), seed=9)
    restored = restore(spec_for(name), 9, played(original, usual(50)[:cut]))
    rest = usual(50)[cut:]
    assert played(original, rest) == played(restored, rest)


@pytest.mark.parametrize("name", ["random", "auto", "CMA"])
@settings(max_examples=tiered(25))
@given(before=STEPS, after=STEPS)
def test_any_history_is_restored(name: str, before: list[Step], after: list[Step]) -> None:
    original = create_search(spec_for(name), seed=9)
    restored = restore(spec_for(name), 9, iter(played(original, before)))
    assert played(original, after) == played(restored, after)


@pytest.mark.parametrize("name", NAMES)
def test_the_journal_of_another_version_is_adopted(name: str) -> None:
    journal = played(create_search(spec_for(name), seed=1), usual(30))
    restored = restore(spec_for(name), 2, journal)
    known = [entry.assignment for entry in journal if isinstance(entry, Asked)]
    restored.tell(30, outcome(0.1))
    fresh = restored.ask(30)
    assert len(fresh) == 30
    assert not [assignment for assignment in fresh if assignment in known]
    again = restore(spec_for(name), 2, journal)
    again.tell(30, outcome(0.1))
    assert again.ask(30) == fresh


def test_an_adopted_space_is_used_up_with_the_rest() -> None:
    for name in ("random", "grid", "sobol", "nevergrad"):
        spec = experiment(SMALL, name)
        journal = [Asked(assignment) for assignment in create_search(spec, seed=1).ask(11)]
        restored = restore(spec, 2, journal)
        assert len(restored.ask(18)) == 7
        assert restored.exhausted


def test_suggestions_from_outside_the_space_are_counted_only() -> None:
    spec = experiment(MIXED, "nevergrad")
    restored = restore(spec, 1, [Asked({"gone": 1}), Told(1, outcome(0.5)), Told(1, outcome(0.4))])
    (second,) = restored.ask(1)
    restored.tell(2, outcome(0.3))
    assert second.keys() == {parameter.name for parameter in MIXED}


def test_adopted_results_are_learnt_from() -> None:
    spec = experiment(MIXED[:1] + MIXED[1:2], "nevergrad", {"optimizer": "OnePlusOne"})
    entries: list[Asked | Told] = [Asked({"lr": 1e-4, "momentum": 0.9}), Told(1, outcome(-100.0))]
    entries += [Asked({"lr": 0.9, "momentum": 0.1}), Told(2, outcome(100.0))]
    near = [assignment["momentum"] for assignment in restore(spec, 1, entries).ask(6)]
    assert sum(float(value) > 0.5 for value in near) >= 4, near
