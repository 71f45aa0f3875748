"""What is wrong with a spec: one place and one sentence."""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""The place of a field: names of mappings and indices of lists, from the top of the document."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, and what to do about it."""

    path: Path
    message: str


def repeated(values: Iterable[Hashable]) -> list[Hashable]:
    """The values that occur more than once, in the order of their first occurrence."""
    return [value for value, times in Counter(values).items() if times > 1]


def text_of(path: Path) -> str:
    """`('spec', 'parameters', 1, 'name')` → `spec.parameters[1].name`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).lstrip(".")
