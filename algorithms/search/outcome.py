"""What a trial came to, as a search is told it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one trial, complete or cut off."""

    losses: tuple[float, ...] = ()
    """Finite, one an objective, each to be minimised; none if the trial failed."""
    violations: tuple[float, ...] = ()
    """One an outcome constraint: by how much it is missed, as a share of its bound; 0 where it holds."""
    partial: bool = False
    """Was the trial stopped early? Then its losses are those of a curve that was cut off."""
    earlier: bool = False
    """Was it a trial of another experiment, whose problem may have been another one?"""

    @property
    def failed(self) -> bool:
        return not self.losses

    @property
    def feasible(self) -> bool:
        """Does every outcome constraint hold?"""
        return not any(amount > 0 for amount in self.violations)


FAILED = Outcome()
