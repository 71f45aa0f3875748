"""Suggested points come first, in order, are told like any trial, and are exact under replay."""

from collections.abc import Sequence
from typing import Any

import pytest

from algorithms.search import create_search, search_problems
from algorithms.search.journal import Asked, Told, restore
from algorithms.search.shell.suggested_first import complete_points
from algorithms.space.encoding import Cube
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Problem
from events.spec.space import Distribution, Parameter
from events.spec.warm_start import PartialAssignment
from tests.algorithms.spaces import (
    DOUBLE,
    GRIDDED,
    INT,
    MIXED,
    OPTIMIZERS,
    PLAIN,
    TREE,
    experiment,
    of_each_family,
    outcome,
    ranged,
    without_models,
)

everyone = pytest.mark.parametrize("name", of_each_family([*PLAIN, *OPTIMIZERS]))
WHOLE: PartialAssignment = {"momentum": 0.3, "layers": 2, "batch": "8", "optimizer": "adam"}
PARTIAL: PartialAssignment = {"layers": 5, "optimizer": True}


def spec_for(
    name: str, space: Sequence[Parameter], points: Sequence[PartialAssignment], **more: Any
) -> ExperimentSpec:
    chosen = (name, {}) if name in PLAIN else ("nevergrad", {"optimizer": name})
    return experiment(space, *chosen, **more).model_copy(
        update={"suggested": tuple(map(dict, points))}
    )


@everyone
def test_they_come_first_in_order_then_the_search_goes_on(name: str) -> None:
    spec = spec_for(name, GRIDDED, [PARTIAL, WHOLE])
    search = create_search(spec, seed=4)
    first = search.ask(1)
    second, third = search.ask(2)
    assert first[0].items() >= PARTIAL.items()
    assert len(first[0]) == len(GRIDDED)
    assert second == WHOLE
    for trial in (1, 2, 3):
        search.tell(trial, outcome(float(trial)))
    assert len({str(one) for one in (first[0], second, third, *search.ask(20))}) == 23
    assert create_search(spec, seed=4).ask(5)[:2] == [first[0], second]
    assert create_search(spec, seed=5).ask(1) != first


@everyone
def test_they_are_resumed_exactly_and_adopted_where_another_version_made_them(name: str) -> None:
    spec = spec_for(name, GRIDDED, [PARTIAL, WHOLE, {"layers": 1}])
    for length in (1, 2, 3, 8):
        original = create_search(spec, seed=9)
        journal: list[Asked | Told] = []
        for trial in range(1, length + 1):
            journal += [Asked(one) for one in original.ask(1)]
            if trial % 2:
                original.tell(trial, outcome(1.0 / trial))
                journal.append(Told(trial, outcome(1.0 / trial)))
        assert restore(spec, 9, journal).ask(6) == original.ask(6)
        adopted = restore(spec, 10, journal).ask(6)
        known = [entry.assignment for entry in journal if isinstance(entry, Asked)]
        assert not [one for one in adopted if one in known and one not in (WHOLE,)]


@pytest.mark.parametrize("name", without_models([*PLAIN, *OPTIMIZERS]))
def test_a_finite_space_is_used_up_with_them(name: str) -> None:
    points: list[PartialAssignment] = [
        {"layers": 3},
        {"optimizer": "sgd", "momentum": 0.5, "nesterov": True, "layers": 1},
    ]
    search = create_search(spec_for(name, TREE, points, trials=200), seed=2)
    found = []
    for trial in range(1, 137):
        assert not search.exhausted
        found += search.ask(1)
        search.tell(trial, outcome(float(trial % 5)))
    assert len({str(one) for one in found}) == 136
    assert search.exhausted
    assert search.ask(1) == []


def test_the_search_learns_from_them() -> None:
    space = [ranged(name, DOUBLE, 0, 1) for name in "abcd"]
    good = dict.fromkeys("abcd", 0.9)
    search = create_search(spec_for("OnePlusOne", space, [good], trials=30), seed=1)
    search.ask(1)
    search.tell(1, outcome(-100.0))
    nearest = min(sum(abs(float(value) - 0.9) for value in one.values()) for one in search.ask(10))
    assert nearest < 0.8


@pytest.mark.parametrize("distribution", list(Distribution))
def test_what_is_missing_is_drawn_by_its_law(distribution: Distribution) -> None:
    space = (ranged("x", DOUBLE, 1, 1000, distribution=distribution), ranged("n", INT, 1, 10**9))
    cube = Cube(space)
    found = sorted(
        float(one["x"]) for one in complete_points(cube, [{"n": n} for n in range(1, 801)], 3)
    )
    assert len(found) == 800
    for share in (0.25, 0.5, 0.75):
        expected = float(cube.decode([share, 0])["x"])
        assert found[int(800 * (share - 0.07))] < expected < found[int(800 * (share + 0.07))]


def test_conditions_and_constraints_hold_for_what_is_drawn() -> None:
    cube = Cube(TREE, ["layers <= 3"])
    found = complete_points(cube, [{"nesterov": True}, {"dropout": 0.1}, {"layers": 3}], 1)
    assert [cube.key(one) is not None for one in found] == [True] * 3
    assert found[0]["momentum"] in (0.5, 0.75, 1.0)
    assert found[1]["layers"] == 3


def test_points_that_cannot_differ_are_tried_once() -> None:
    cube = Cube([ranged("a", INT, 1, 1), ranged("b", INT, 1, 2)])
    found = complete_points(cube, [{"b": 2}, {"b": 1}, {}], 1)
    assert found == [{"a": 1, "b": 2}, {"a": 1, "b": 1}]


def test_numbers_are_written_as_the_space_writes_them() -> None:
    (found,) = complete_points(
        Cube(MIXED),
        [{"lr": 1, "momentum": "0.3", "layers": 2.0, "batch": 8, "optimizer": "true"}],
        1,
    )
    assert [(type(value), value) for value in found.values()] == [
        (float, 1.0), (float, 0.3), (int, 2), (str, "8"), (bool, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("point", "place", "message"),
    [
        ({"rate": 1}, ("rate",),
         ("is not a parameter of this space; there are: momentum, optimizer, nesterov, layers, "
             "dropout")),
        ({"layers": 7}, ("layers",),
            "7 is not a value of 'layers', which goes from 1 to 4 in steps of 1"),
        ({"layers": "two"}, ("layers",),
            "'two' is not a value of 'layers', which goes from 1 to 4 in steps of 1"),
        ({"optimizer": "SGD"}, ("optimizer",),
            "'SGD' is not a value of 'optimizer', which has sgd, adam, rmsprop"),
        ({"optimizer": "adam", "momentum": 0.5}, (),
         "momentum does not exist where optimizer is adam; remove one of them"),
        ({"optimizer": "adam", "nesterov": True}, (),
         ("has values that conditions or constraints forbid together; change them, or give all "
             "parameters")),
        ({"layers": 4, "dropout": 0.1}, (),
         ("has values that conditions or constraints forbid together; change them, or give all "
             "parameters")),
        ({"layers": 3.0}, (), "is listed twice, first as number 0; remove one"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(
    point: PartialAssignment, place: tuple[str, ...], message: str
) -> None:
    spec = spec_for("random", TREE, [{"layers": 3}, point], constraints=["layers <= 3"])
    assert list(search_problems(spec)) == [Problem(("spec", "suggested", 1, *place), message)]
