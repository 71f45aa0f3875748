"""What to try next: searches by name."""

from algorithms.search.catalogue.algorithm import DEFAULT, DEFAULT_BUDGET, algorithm_of
from algorithms.search.catalogue.katib import TO_COME
from algorithms.search.catalogue.own import picks
from algorithms.search.checks import problems
from algorithms.search.registry import ALGORITHMS, catalogue, create, faults, imports

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
