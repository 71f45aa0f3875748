"""The two tiers of tests: the fast one for everybody, and the long one, with more examples, seeds
and rounds.

`make test` runs the fast tier, `make test-long` all (`TEST_TIER=long`). What is marked `long` is
left to the latter.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

T = TypeVar("T")

LONG = {"fast": False, "long": True}[os.environ.get("TEST_TIER", "fast")]
SHARE = 0.2
"""Of the examples and rounds of the long tier, this part is asked of in the fast one."""
LEFT_TO_LONG = "they belong to the long tier, which is: make test-long"


def tiered(count: int) -> int:
    """So many examples or rounds in the long tier, a share of them in the fast one."""
    return count if LONG else max(1, round(count * SHARE))


def rest_is_long(values: Iterable[T], in_both: Callable[[T], bool]) -> list[Any]:
    """Parameters for `parametrize`: those for which `in_both` holds are in both tiers, the others
    in the long one."""
    return [
        value if in_both(value) else pytest.param(value, marks=pytest.mark.long) for value in values
    ]


def load_profile() -> None:
    """Have hypothesis wait for slow examples.

    How long an example takes says more about the machine and its caches than about the code: the
    first of a fresh clone imports and compiles, and hypothesis reads all our sources for it. So no
    example is too slow. Where a test does not say how many there are, half of them are left to the
    long tier.
    """
    settings.register_profile(
        "patient",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        max_examples=100 if LONG else 50,
    )
    settings.load_profile("patient")


def leave_to_long(items: Iterable[pytest.Item]) -> None:
    """Skip what is marked `long` in the fast tier; the summary counts it."""
    for item in items:
        if not LONG and item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason=LEFT_TO_LONG))
