"""What is wrong with a spec: one place and one sentence."""

from dataclasses import dataclass

Path = tuple[str | int, ...]
"""The place of a field: names of mappings and indices of lists, from the top of the document."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, and what to do about it."""

    path: Path
    message: str
