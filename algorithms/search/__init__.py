"""What to try next: searches by name."""

from algorithms.search.algorithm import DEFAULT_BUDGET
from algorithms.search.checks import problems
from algorithms.search.default import NevergradSettings
from algorithms.search.katib import TO_COME
from algorithms.search.registry import ALGORITHMS, DEFAULT, algorithm_of, catalogue, create, faults, imports

__all__ = [
    "ALGORITHMS",
    "DEFAULT",
    "DEFAULT_BUDGET",
    "TO_COME",
    "NevergradSettings",
    "algorithm_of",
    "catalogue",
    "create",
    "faults",
    "imports",
    "problems",
]
