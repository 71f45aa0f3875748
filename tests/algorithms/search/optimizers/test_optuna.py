"""What is ours around Optuna: several objectives, constraints, failures, and points as the journal
has them."""

import warnings
from collections.abc import Callable

import pytest

from algorithms.search import create_search
from algorithms.search.optimizers.optuna import OptunaOptimizer, Sampler, nsga2, nsga3, tpe
from algorithms.search.outcome import FAILED, Outcome
from algorithms.search.shell.learning import LearningSearch
from algorithms.space.encoding import Cube
from tests.algorithms.spaces import DOUBLE, MIXED, experiment, outcome, ranged

SAMPLERS: dict[str, Callable[[], Sampler]] = {
    "tpe": lambda: tpe(multivariate=False),
    "multivariate tpe": lambda: tpe(multivariate=True),
    "nsga2": lambda: nsga2(10),
    "nsga3": lambda: nsga3(10),
}
SQUARE = [ranged(name, DOUBLE, 0, 1) for name in "ab"]
everyone = pytest.mark.parametrize("name", SAMPLERS)


def searching(name: str, objectives: int) -> LearningSearch:
    cube = Cube(SQUARE)
    return LearningSearch(cube, 3, OptunaOptimizer(cube, 3, SAMPLERS[name](), objectives))


@everyone
def test_both_of_two_losses_are_learnt_from(name: str) -> None:
    """The front lies at b = 0, whatever a is; told the first loss alone, a search would go to a =
    0."""
    search = searching(name, 2)
    late = []
    for trial in range(1, 101):
        (point,) = search.ask(1)
        a, b = float(point["a"]), float(point["b"])
        search.tell(trial, Outcome((a + b, 1 - a + b)))
        late.append((a, b))
    low = sorted(b for _, b in late[60:])
    assert low[len(low) // 2] < 0.3
    assert sum(a > 0.5 for a, _ in late[60:]) > 12


@everyone
def test_missed_constraints_are_told_as_such(name: str) -> None:
    """The best loss is at a = 0, where the constraint a >= 0.6 is missed."""
    search = searching(name, 1)
    late = []
    for trial in range(1, 101):
        (point,) = search.ask(1)
        a = float(point["a"])
        search.tell(trial, Outcome((a,), (max(0.0, 0.6 - a),)))
        late.append(a)
    assert sum(a >= 0.4 for a in late[60:]) > 25


def test_tpe_ranks_a_failure_behind_every_value() -> None:
    search = searching("tpe", 1)
    late = []
    for trial in range(1, 81):
        (point,) = search.ask(1)
        a = float(point["a"])
        search.tell(trial, FAILED if a < 0.5 else Outcome((1.0 - (a - 0.5) * 0.1,)))
        late.append(a)
    assert sum(a < 0.5 for a in late[40:]) < 8


@pytest.mark.parametrize("name", ["tpe", "multivariate-tpe"])
def test_a_history_is_read_without_asking(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original, restored = (create_search(experiment(MIXED, name), seed=5) for _ in range(2))
    history = []
    for trial in range(1, 41):
        history += original.ask(1)
        original.tell(trial, outcome(trial * 7 % 11 / 3))
    with monkeypatch.context() as patched:
        patched.setattr("optuna.samplers.TPESampler.sample_independent", None)
        patched.setattr("optuna.samplers.TPESampler.sample_relative", None)
        for trial, assignment in enumerate(history, 1):
            assert restored.resume(assignment)
            restored.tell(trial, outcome(trial * 7 % 11 / 3))
    assert restored.ask(5) == original.ask(5)


def test_settings_that_optuna_gives_up_raise_no_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search = create_search(experiment(SQUARE, "tpe", {"gamma": 0.5, "prior_weight": 2}), seed=1)
        for trial in range(1, 15):
            search.ask(1)
            search.tell(trial, outcome(float(trial)))


def test_gamma_and_prior_weight_change_the_search() -> None:
    found = []
    for settings in ({}, {"gamma": 0.9}, {"prior_weight": 20}, {"n_EI_candidates": 1}):
        search = create_search(experiment(SQUARE, "tpe", settings), seed=1)
        for trial in range(1, 21):
            (point,) = search.ask(1)
            search.tell(trial, outcome(sum(float(value) for value in point.values())))
        found.append(str(search.ask(3)))
    assert len(set(found)) == 4
