"""What a search of one's own is given and returns: for its annotations, and for its tests without
the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Union

Scalar = Union[bool, int, float, str]
Assignment = Mapping[str, Scalar]
"""Parameter name → value. A parameter whose condition does not hold is absent."""


class Space(Protocol):
    """The parameters of one experiment as a cube: each of its points, `width` numbers in [0, 1], is
    an assignment."""

    @property
    def width(self) -> int:
        """The number of parameters."""
        ...

    @property
    def parameters(self) -> Sequence[Any]:
        """The parameters in their order, as in an experiment file."""
        ...

    def decode(self, point: Sequence[float]) -> dict[str, Scalar]:
        """The assignment at `point`, exact and by the distributions."""
        ...

    def encode(self, assignment: Assignment) -> list[float] | None:
        """A point that decodes to `assignment`; None if that is not of this space."""
        ...
