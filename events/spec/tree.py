"""What a tree of JSON may hold, wherever it comes from: bounded depth, size, numbers and texts."""

import math
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator

from events.model import LARGEST_INTEGER, LEAST_INTEGER, LONGEST_TEXT, MOST_ITEMS
from events.spec.problem import Path, Problem, text_of

DEEPEST_TREE = 100
"""Levels; deeper than a file may be, and less than what readers of JSON take."""


def integer_problem(value: int) -> str | None:
    """What is wrong with an integer; None if it has at most 64 bits."""
    if LEAST_INTEGER <= value <= LARGEST_INTEGER:
        return None
    return (
        f"an integer of {value.bit_length()} bits is too large; allowed are {LEAST_INTEGER} to "
        f"{LARGEST_INTEGER}: write a larger number with a point, such as 1.0e+20, or as a word in "
        "quotes"
    )


def text_problem(value: str) -> str | None:
    """What is wrong with a text; None if it can be stored."""
    if len(value) > LONGEST_TEXT:
        return f"has {len(value):,} characters; at most {LONGEST_TEXT:,} are allowed"
    if "\0" in value:
        return "holds a NUL character (\\u0000); remove it"
    if not value.isascii() and any("\ud800" <= one <= "\udfff" for one in value):
        return "holds half a character (a lone surrogate); remove it"
    return None


def tree_problems(tree: Any, place: Path = ()) -> Iterator[Problem]:
    """What cannot be stored in a tree of mappings, lists and scalars; ends with what is too deep or
    too much."""
    waiting: list[tuple[Path, Any]] = [(place, tree)]
    seen = 0
    while waiting:
        path, value = waiting.pop()
        seen += 1
        if seen > MOST_ITEMS:
            yield Problem(place, f"has more than {MOST_ITEMS:,} values; use fewer")
            return
        if len(path) > DEEPEST_TREE:
            yield Problem(path[:3], f"is nested deeper than {DEEPEST_TREE} levels")
            return
        if isinstance(value, dict):
            for key, inner in value.items():
                if wrong := text_problem(str(key)):
                    yield Problem(path, f"a name {wrong}")
                waiting.append(((*path, str(key)), inner))
        elif isinstance(value, list | tuple):
            waiting += [((*path, index), inner) for index, inner in enumerate(value)]
        elif wrong := scalar_problem(value):
            yield Problem(path, wrong)


def scalar_problem(value: Any) -> str | None:
    """What is wrong with a number or a text; None if it can be stored."""
    match value:
        case int():
            return integer_problem(value)
        case str():
            return text_problem(value)
        case float() if not math.isfinite(value):
            return f"{value} is not finite"
    return None


def _checked(tree: dict[str, Any]) -> dict[str, Any]:
    for problem in tree_problems(tree):
        raise ValueError(f"{text_of(problem.path)}: {problem.message}")
    return tree


JsonObject = Annotated[dict[str, Any], AfterValidator(_checked)]
"""A mapping that only others understand, such as a manifest of Kubernetes."""
