"""Pauses grow to their limit and no further, and start again after a success."""

from hypothesis import given
from hypothesis import strategies as st

from events.backoff import Backoff

LIMITS = st.tuples(st.floats(0.001, 100), st.floats(1, 1000)).map(
    lambda pair: (pair[0], pair[0] * pair[1])
)


@given(LIMITS, st.integers(0, 60))
def test_each_pause_doubles_up_to_the_longest_and_is_shortened_by_at_most_half(
    limits: tuple[float, float], tries: int
) -> None:
    first, longest = limits
    backoff = Backoff(first, longest)
    for n in range(tries):
        whole = min(first * 2**n, longest)
        assert whole / 2 <= backoff.next() <= whole


@given(LIMITS, st.integers(0, 20))
def test_after_a_success_the_first_pause_comes_again(
    limits: tuple[float, float], tries: int
) -> None:
    backoff = Backoff(*limits)
    for _ in range(tries):
        backoff.next()
    backoff.reset()
    assert limits[0] / 2 <= backoff.next() <= limits[0]


def test_those_who_failed_together_try_again_at_different_moments() -> None:
    assert len({Backoff(1.0, 2.0).next() for _ in range(100)}) > 90
