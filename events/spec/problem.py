"""What is wrong with a spec: one place and one sentence."""

from dataclasses import dataclass

from events.spec.yaml import Path


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, and what to do about it."""

    path: Path
    message: str
