"""Constraints: no search suggests what they forbid, the grid has all that they allow, too tight
ones are refused."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.search import create_search, search_problems
from algorithms.search.feasibility import allowed_points
from algorithms.search.journal import Asked, Told, restore
from algorithms.space.encoding import Cube
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Problem
from events.spec.space import Assignment, Distribution, Parameter, ParameterType
from tests.algorithms.spaces import (
    DOUBLE,
    INT,
    OPTIMIZERS,
    PLAIN,
    experiment,
    listed,
    of_each_family,
    outcome,
    ranged,
    under,
    without_models,
)
from tests.tiers import tiered

GRID = (
    ranged("a", INT, 1, 6),
    ranged("b", DOUBLE, 0, 1, 0.2),
    listed("c", ParameterType.DISCRETE, ["8", "16", "64"]),
    under(ranged("d", INT, 0, 3), "c", in_=("8", "64")),
    listed("e", ParameterType.CATEGORICAL, "xy"),
)
RULES = ("a <= 10*b + 0.5", "d + a <= 6", "c < 60 * b + 8.5")
SMOOTH = (
    ranged("lr_start", DOUBLE, 1e-4, 1, distribution=Distribution.LOG_UNIFORM),
    ranged("lr_end", DOUBLE, 1e-5, 1, distribution=Distribution.LOG_UNIFORM),
    ranged("dropout1", DOUBLE, 0, 0.9),
    ranged("dropout2", DOUBLE, 0, 0.9, distribution=Distribution.NORMAL),
    listed("kind", ParameterType.CATEGORICAL, "xy"),
    under(ranged("layers", INT, 1, 9), "kind", equals="x"),
)
SMOOTH_RULES = ("lr_end <= lr_start", "dropout1 + 2*dropout2 <= 0.9", "layers < 4")
NAMES = [*PLAIN, *OPTIMIZERS]
everyone = pytest.mark.parametrize("name", of_each_family(NAMES))


def spec_for(
    name: str, space: tuple[Parameter, ...], rules: tuple[str, ...], trials: int = 60
) -> ExperimentSpec:
    if name in PLAIN:
        return experiment(space, name, {}, trials, constraints=rules)
    return experiment(space, "nevergrad", {"optimizer": name}, trials, constraints=rules)


def smooth(name: str) -> tuple[tuple[Parameter, ...], tuple[str, ...]]:
    return (GRID, RULES) if name == "grid" else (SMOOTH, SMOOTH_RULES)


def obeys(found: Mapping[str, Any]) -> bool:
    """The rules above, written without the code under test."""
    match found:
        case {"lr_start": start, "lr_end": end, "dropout1": one, "dropout2": two}:
            return bool(
                end <= start and one + 2 * two <= 0.9 + 1e-12 and found.get("layers", 0) < 4
            )
        case {"a": a, "b": b, "c": c}:
            d = found.get("d")
            return bool(
                a <= round(10 * b) + 0.5 and (d is None or d + a <= 6) and float(c) < 60 * b + 8.5
            )
    return False


@everyone
def test_every_suggestion_is_allowed(name: str) -> None:
    search = create_search(spec_for(name, *smooth(name)), seed=3)
    found = []
    for trial in range(1, 61):
        found += search.ask(1)
        search.tell(trial, outcome(None if trial % 9 == 0 else float(trial * 7 % 13)))
    assert len({str(one) for one in found}) == 60
    assert all(obeys(one) for one in found)


@pytest.mark.parametrize("name", without_models(NAMES))
def test_what_is_allowed_is_used_up_exactly(name: str) -> None:
    spec = spec_for(name, GRID, RULES, 2000)
    cube = Cube(GRID)
    assert cube.size is not None
    wanted = [cube.at(index) for index in range(cube.size) if obeys(cube.at(index))]
    search = create_search(spec, seed=5)
    found = []
    for trial in range(1, len(wanted) + 1):
        assert not search.exhausted
        found += search.ask(1)
        search.tell(trial, outcome(float(trial % 5)))
    assert sorted(map(str, found)) == sorted(map(str, wanted))
    assert search.exhausted
    assert search.ask(2) == []
    assert allowed_points(Cube.of(spec)) == len(wanted) < cube.size


@pytest.mark.parametrize("name", ["random", "sobol", "grid", "auto", "CMA"])
def test_a_restored_search_goes_on_as_the_original(name: str) -> None:
    spec = spec_for(name, *smooth(name))
    original = create_search(spec, seed=9)
    journal: list[Asked | Told] = []
    for trial in range(1, 31):
        journal += [Asked(one) for one in original.ask(1)]
        if trial % 3:
            original.tell(trial, outcome(float(trial % 4)))
            journal.append(Told(trial, outcome(float(trial % 4))))
    assert restore(spec, 9, journal).ask(10) == original.ask(10)


@settings(max_examples=tiered(40))
@given(data=st.data())
def test_any_linear_constraint_is_honoured(data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(-3, 3), min_size=3, max_size=3).filter(any))
    bound = data.draw(st.integers(-20, 40))
    sign = data.draw(st.sampled_from(["<=", "<", ">=", ">"]))
    space = tuple(ranged(name, INT, 0, 9) for name in "abc")
    left = " + ".join(f"{weight}*{name}" for weight, name in zip(weights, "abc", strict=True))
    spec = spec_for("grid", space, (f"{left} {sign} {bound}",))
    found = create_search(spec, seed=1).ask(1001)

    def met(values: list[int]) -> bool:
        total = sum(weight * value for weight, value in zip(weights, values, strict=True))
        return {"<=": total <= bound, "<": total < bound, ">=": total >= bound, ">": total > bound}[
            sign
        ]

    wanted = [[a, b, c] for a in range(10) for b in range(10) for c in range(10) if met([a, b, c])]
    assert sorted(list(one.values()) for one in found) == wanted
    refused = list(search_problems(spec))
    assert bool(refused) == (not wanted)


@pytest.mark.parametrize(
    ("space", "rules", "message"),
    [
        (GRID, ("a - 10*b >= 7",), "no values of a, b are allowed by the constraints; loosen them"),
        (
            tuple(ranged(name, DOUBLE, 0, 1) for name in "ab"),
            ("a + b <= 0.001",),
            "none of 10,000 random points are allowed by the constraints; loosen them, narrow min "
            "and max to where "
            "they hold, or let the program compute one parameter from the others",
        ),
        (
            tuple(
                ranged(name, INT, 1, 10**6, distribution=Distribution.LOG_UNIFORM) for name in "ab"
            ),
            ("a + b <= 1000",),
            "none of 10,000 combinations of values are allowed by the constraints; loosen them, "
            "narrow min and max to "
            "where they hold, or let the program compute one parameter from the others",
        ),
    ],
)
def test_too_little_room_is_refused(
    space: tuple[Parameter, ...], rules: tuple[str, ...], message: str
) -> None:
    assert list(search_problems(experiment(space, constraints=rules))) == [
        Problem(("spec", "constraints"), message)
    ]


def test_a_constraint_on_what_may_be_absent_leaves_room() -> None:
    assert list(search_problems(experiment(GRID, constraints=("a + d >= 10",)))) == []
    assert all(
        "d" not in found
        for found in create_search(experiment(GRID, "grid", constraints=("a + d >= 10",)), 1).ask(
            200
        )
    )


def test_enough_room_is_not_refused() -> None:
    assert list(search_problems(experiment(GRID, "grid", constraints=RULES))) == []
    assert list(search_problems(experiment(SMOOTH, constraints=SMOOTH_RULES))) == []


def test_a_point_against_the_constraints_is_not_of_the_space() -> None:
    cube = Cube(GRID, RULES)
    point: Assignment = {"a": 6, "b": 0.1, "c": "16", "e": "x"}
    assert not cube.allows(point)
    assert cube.key(point) is None
    assert cube.encode(point) is None
    assert cube.encode({**point, "b": 0.6}) is not None
    assert cube.key({**point, "c": "word"}) is None
