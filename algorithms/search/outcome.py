"""The outcome of a trial, as a search is told it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one trial that is over."""

    losses: tuple[float, ...] = ()
    """One finite loss for each objective, to be minimised; empty if the trial failed."""
    violations: tuple[float, ...] = ()
    """For each outcome constraint, by how much it is missed, as a share of its bound; 0 where it
    holds."""
    partial: bool = False
    """Was the trial stopped early? Then the losses are those that it had reached by then."""
    earlier: bool = False
    """Is it of another experiment, whose problem may differ?"""
    withdrawn: bool = False
    """Was the trial killed or lost? Then nothing is known of its point, which runs no more."""

    @property
    def failed(self) -> bool:
        return not self.losses and not self.withdrawn

    @property
    def feasible(self) -> bool:
        """Does every outcome constraint hold?"""
        return not any(amount > 0 for amount in self.violations)


FAILED = Outcome()
WITHDRAWN = Outcome(withdrawn=True)
