"""The shuffle that is never written down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.search.shell.permutation import Permutation


@given(st.integers(1, 300), st.integers(0, 2**63 - 1))
def test_every_number_comes_once(size: int, seed: int) -> None:
    shuffled = Permutation(size, seed)
    assert sorted(shuffled[place] for place in range(size)) == list(range(size))


@given(st.integers(10**9, 10**40), st.integers(0, 2**63 - 1))
def test_huge_sizes_need_no_memory(size: int, seed: int) -> None:
    shuffled = Permutation(size, seed)
    numbers = [shuffled[place] for place in range(20)]
    assert len(set(numbers)) == 20
    assert all(0 <= number < size for number in numbers)


def test_each_number_is_first_about_as_often_as_any_other() -> None:
    firsts = [0] * 6
    for seed in range(3000):
        firsts[Permutation(6, seed)[0]] += 1
    assert all(400 < count < 600 for count in firsts), firsts


def test_seeds_differ_and_places_outside_are_refused() -> None:
    one, two = Permutation(50, 1), Permutation(50, 2)
    assert [one[i] for i in range(50)] != [two[i] for i in range(50)]
    with pytest.raises(IndexError):
        one[50]
