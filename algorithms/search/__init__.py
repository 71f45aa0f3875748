"""What to try next: searches by name."""

from algorithms.search.algorithm import DEFAULT_BUDGET
from algorithms.search.checks import problems
from algorithms.search.katib import TO_COME
from algorithms.search.own import picks
from algorithms.search.registry import ALGORITHMS, DEFAULT, algorithm_of, catalogue, create, faults, imports

__all__ = [
    "ALGORITHMS",
    "DEFAULT",
    "DEFAULT_BUDGET",
    "TO_COME",
    "algorithm_of",
    "catalogue",
    "create",
    "faults",
    "imports",
    "picks",
    "problems",
]
