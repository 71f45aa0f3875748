"""Fronts against their definition, hypervolumes against inclusion-exclusion and random points."""

import random
from itertools import combinations
from math import inf, prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.pareto import Losses, added, covers, crowding, front, hypervolume

coordinate = st.integers(0, 6).map(float)


def points(least: int, most: int) -> st.SearchStrategy[list[list[float]]]:
    """Lists of points of 2 to 4 losses, many of them equal in some."""
    return st.integers(2, 4).flatmap(
        lambda d: st.lists(
            st.lists(coordinate, min_size=d, max_size=d), min_size=least, max_size=most
        )
    )


def box(one: Losses, reference: Losses) -> float:
    return float(prod(max(0.0, b - a) for a, b in zip(one, reference, strict=True)))


def by_inclusion_and_exclusion(given: list[list[float]], reference: Losses) -> float:
    """The volume of the union of the boxes, by its definition: exponential in their number."""
    corners = (
        (size, [max(one) for one in zip(*chosen, strict=True)])
        for size in range(1, len(given) + 1)
        for chosen in combinations(given, size)
    )
    return sum((1 if size % 2 else -1) * box(corner, reference) for size, corner in corners)


@given(points(0, 30))
def test_the_front_is_what_nothing_covers_and_each_value_once(given: list[list[float]]) -> None:
    found = front(enumerate(given))
    best = {
        tuple(one)
        for one in given
        if not any(covers(other, one) and other != one for other in given)
    }  # fmt: skip
    assert sorted(tuple(losses) for _, losses in found) == sorted(best)
    assert [place for place, _ in found] == [given.index(list(losses)) for _, losses in found]
    assert [losses[0] for _, losses in found] == sorted(losses[0] for _, losses in found)


@given(points(1, 7), coordinate)
def test_the_hypervolume_is_exact(given: list[list[float]], corner: float) -> None:
    reference = [corner] * len(given[0])
    expected = by_inclusion_and_exclusion(given, reference)
    assert hypervolume(given, reference) == pytest.approx(expected)
    rest = given[1:]
    assert added(given[0], rest, reference) == pytest.approx(
        expected - hypervolume(rest, reference)
    )


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_the_hypervolume_is_the_share_of_random_points_that_are_beaten(objectives: int) -> None:
    dice = random.Random(objectives)
    given = [[dice.random() for _ in range(objectives)] for _ in range(40)]
    thrown = [[dice.random() for _ in range(objectives)] for _ in range(20_000)]
    share = sum(any(covers(one, other) for one in given) for other in thrown) / len(thrown)
    assert hypervolume(given, [1.0] * objectives) == pytest.approx(share, abs=0.015)


def test_points_outside_add_nothing() -> None:
    assert hypervolume([], (1, 1)) == 0
    assert hypervolume([(1, 0), (0, 1), (2, -5)], (1, 1)) == 0
    assert hypervolume([(0.5, 0.5), (2, -5)], (1, 1)) == 0.25


def test_the_ends_are_never_crowded_and_the_middle_by_its_neighbours() -> None:
    assert crowding([]) == []
    assert crowding([(0, 4), (1, 3), (2, 2), (4, 0)]) == [
        inf,
        pytest.approx(1.0),
        pytest.approx(1.5),
        inf,
    ]
    assert crowding([(1, 1), (1, 1), (1, 1)])[1] == 0.0
