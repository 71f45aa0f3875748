"""What to try next: searches by name, and what they cannot serve."""

from algorithms.search.catalogue.algorithm import DEFAULT, DEFAULT_BUDGET, algorithm_of
from algorithms.search.catalogue.katib import TO_COME
from algorithms.search.catalogue.own import picks
from algorithms.search.checks import search_problems
from algorithms.search.registry import (
    ALGORITHMS,
    create_search,
    imports,
    plugin_faults,
    search_catalogue,
)

__all__ = [
    "ALGORITHMS",
    "DEFAULT",
    "DEFAULT_BUDGET",
    "TO_COME",
    "algorithm_of",
    "create_search",
    "imports",
    "picks",
    "plugin_faults",
    "search_catalogue",
    "search_problems",
]
