"""Conditional parameters: absent where they do not exist, drawn by their own laws, numbered without
holes."""

import itertools
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.search import create_search
from algorithms.search.shell.novelty import uniform
from algorithms.space.encoding import MIDDLE, Cube
from events.spec.space import Distribution, Parameter, ParameterType, Scalar
from tests.algorithms.spaces import (
    DOUBLE,
    INT,
    TREE,
    conditional_spaces,
    every,
    exists,
    experiment,
    feasible,
    listed,
    outcome,
    ranged,
    under,
)
from tests.tiers import tiered


@given(conditional_spaces(), st.data())
def test_exactly_what_exists_is_decoded(space: tuple[Parameter, ...], data: st.DataObject) -> None:
    cube = Cube(space)
    found = cube.decode(
        data.draw(st.lists(st.floats(0, 1), min_size=cube.width, max_size=cube.width))
    )
    for one in space:
        assert (one.name in found) == exists(one, found)
        assert one.name not in found or feasible(one, found[one.name])
    point = cube.encode(found)
    assert point is not None
    assert all(u == MIDDLE for one, u in zip(space, point, strict=True) if one.name not in found)
    assert cube.decode(point).keys() == found.keys() or cube.size is None
    if cube.size is not None:
        assert cube.decode(point) == found
        assert cube.at(cube.key(found) or 0) == found
    assert cube.key(found) is not None


@settings(max_examples=tiered(60))
@given(conditional_spaces(finite=True))
def test_a_small_finite_space_is_numbered_without_holes(space: tuple[Parameter, ...]) -> None:
    cube = Cube(space)
    assert cube.size is not None
    if cube.size <= 2000:
        numbered = [cube.at(index) for index in range(cube.size)]
        assert sorted(map(repr, map(sorted_items, numbered))) == sorted(
            map(repr, map(sorted_items, every(space)))
        )
        assert [cube.key(assignment) for assignment in numbered] == list(range(cube.size))


def sorted_items(assignment: Mapping[str, Scalar]) -> list[tuple[str, Scalar]]:
    return sorted(assignment.items())


@given(conditional_spaces(finite=True), st.data())
def test_a_number_of_any_size_is_found_again(
    space: tuple[Parameter, ...], data: st.DataObject
) -> None:
    cube = Cube(space)
    assert cube.size is not None
    index = data.draw(st.integers(0, cube.size - 1))
    assert cube.key(cube.at(index)) == index
    assert list(cube.at(index)) == [one.name for one in space if one.name in cube.at(index)]


def test_the_tree_has_as_many_points_as_one_counts_by_hand() -> None:
    assert Cube(TREE).size == len(every(TREE)) == 136


def test_a_parent_of_astronomical_size_is_numbered() -> None:
    space = [
        ranged("n", INT, 0, 10**19),
        under(ranged("m", INT, 1, 10**18), "n", range=(5.0, 1e19)),
        under(listed("k", ParameterType.CATEGORICAL, "ab"), "n", in_=(3, 10**19)),
    ]
    cube = Cube(space)
    assert cube.size == 4 + 2 + (10**19 - 5) * 10**18 + 10**18 * 2
    assert cube.at(3) == {"n": 3, "k": "a"}
    assert cube.at(cube.size - 1) == {"n": 10**19, "m": 10**18, "k": "b"}
    assert cube.key({"n": 10**17, "m": 7}) is not None
    assert create_search(experiment(space, "grid"), seed=1).ask(3)


@pytest.mark.parametrize("name", ["grid", "random", "sobol", "nevergrad"])
def test_every_search_uses_the_tree_up_exactly(name: str) -> None:
    search = create_search(experiment(TREE, name, trials=200), seed=3)
    found = []
    for trial in range(1, 137):
        assert not search.exhausted
        found += search.ask(1)
        search.tell(trial, outcome(float(trial % 7)))
    assert sorted(repr(sorted_items(dict(one))) for one in found) == sorted(
        repr(sorted_items(one)) for one in every(TREE)
    )
    assert search.exhausted
    assert search.ask(1) == []


@pytest.mark.parametrize(
    "stranger",
    [
        {"optimizer": "adam", "layers": 1, "momentum": 0.5},  # does not exist there
        {"optimizer": "sgd", "layers": 1},  # exists there
        {"optimizer": "sgd", "layers": 1, "dropout": 0.1},  # as many parameters, but others
        {"optimizer": "sgd", "layers": 1, "momentum": 0.0, "nesterov": True},
        {"optimizer": "sgd", "layers": 1, "momentum": "much"},
        {"optimizer": None, "layers": 1},
    ],
)
def test_another_set_of_parameters_is_not_of_the_space(stranger: dict[str, float]) -> None:
    assert Cube(TREE).key(stranger) is None
    assert Cube(TREE).encode(stranger) is None


@pytest.mark.parametrize("distribution", list(Distribution))
@pytest.mark.parametrize(("kind", "step"), [(DOUBLE, None), (DOUBLE, 0.5), (INT, None), (INT, 3)])
def test_under_a_condition_values_have_the_law_of_the_parameter(
    kind: ParameterType, step: float | None, distribution: Distribution
) -> None:
    alone = ranged("x", kind, 1, 10, step, distribution)
    space = (under(alone, "way", equals="b"), listed("way", ParameterType.CATEGORICAL, "abc"))
    draws = [Cube(space).decode(uniform(str(n), 2)) for n in range(6000)]
    found = [float(draw["x"]) for draw in draws if "x" in draw]
    assert all(("x" in draw) == (draw["way"] == "b") for draw in draws)
    assert 1850 < len(found) < 2150
    expected = [float(Cube([alone]).decode([(n + 0.5) / 2000])["x"]) for n in range(2000)]
    for low, high in itertools.pairwise([0.9, 2.2, 3.1, 5.2, 7.4, 10.1]):
        share, wanted = (
            sum(low < value <= high for value in values) / len(values)
            for values in (found, expected)
        )
        assert share == pytest.approx(wanted, abs=0.04), (low, high)


@pytest.mark.parametrize("values", [["0.5", "2", "10"], [1, 2, 3, 4]])
def test_discrete_values_are_ordered_and_equally_likely_under_a_condition(
    values: list[str],
) -> None:
    space = (
        listed("size", ParameterType.DISCRETE, values),
        under(ranged("y", INT, 0, 1), "size", range=(2, 10)),
    )
    draws = [Cube(space).decode(uniform(str(n), 2)) for n in range(4000)]
    counts = Counter(draw["size"] for draw in draws)
    assert all(abs(counts[value] - 4000 / len(values)) < 150 for value in values)
    assert all(("y" in draw) == (2 <= float(draw["size"]) <= 10) for draw in draws)
    ordered = [float(Cube(space).decode([u / 20, 0.5])["size"]) for u in range(21)]
    assert ordered == sorted(ordered)


def test_large_categoricals_may_have_a_parameter_for_each_value() -> None:
    words = [f"w{index}" for index in range(2000)]
    children = [
        under(ranged(f"x{index}", INT, 1, 5), "word", equals=word)
        for index, word in enumerate(words[:200])
    ]
    cube = Cube([listed("word", ParameterType.CATEGORICAL, words), *children])
    assert cube.size == 200 * 5 + 1800
    assert cube.at(7) == {"word": "w1", "x1": 3}
    assert cube.at(1001) == {"word": "w201"}
