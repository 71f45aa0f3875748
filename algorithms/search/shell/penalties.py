"""Failures and missed constraints as finite losses, for optimizers that take nothing else."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from algorithms.search.outcome import Outcome

_Candidate = TypeVar("_Candidate")
Losses = tuple[float, ...]
LARGEST_LOSS = 1e18
"""Losses are cut off at this size, as optimizers square them."""
MARGIN = 0.1
"""A failed trial is worse than the worst loss by this share of the range of losses."""


@dataclass(slots=True)
class Penalties(Generic[_Candidate]):
    """Turns outcomes into losses. Failures are held back until there is a loss to compare them
    with.
    """

    best: Losses | None = None
    worst: Losses = ()
    held: list[tuple[_Candidate, Outcome]] = field(default_factory=list)

    def ready(self, candidate: _Candidate, outcome: Outcome) -> list[tuple[_Candidate, Losses]]:
        """The candidates and losses to be told now that `candidate` has `outcome`, in their order.

        A failure gets a loss worse than the worst. So does a missed constraint, the worse the more
        it is missed, also before any point is feasible, so that the optimizer finds the way to one.
        """
        if outcome.failed and self.best is None:
            self.held.append((candidate, outcome))
            return []
        if outcome.failed or not outcome.feasible:
            return [(candidate, self._penalty(outcome))]
        losses = tuple(min(max(loss, -LARGEST_LOSS), LARGEST_LOSS) for loss in outcome.losses)
        self.worst = losses if self.best is None else tuple(map(max, self.worst, losses))
        self.best = losses if self.best is None else tuple(map(min, self.best, losses))
        held, self.held = self.held, []
        return [(candidate, losses), *((one, self._penalty(late)) for one, late in held)]

    def _penalty(self, outcome: Outcome) -> Losses:
        missed = sum(max(0.0, amount) for amount in outcome.violations)
        if self.best is None:
            return tuple(LARGEST_LOSS * (1.0 + missed / (1.0 + missed)) for _ in outcome.losses)
        share = MARGIN * (2.0 if outcome.failed else 1.0 + missed / (1.0 + missed))
        ranges = zip(self.best, self.worst, strict=True)
        return tuple(
            worst + share / 2 * ((worst - best) or abs(worst) or 1.0) for best, worst in ranges
        )
