"""How much each parameter matters, estimated from the trials, and how reliable the estimate is.

A random forest learns the rank of a trial from its parameters. A parameter's importance is how much
worse the forest predicts trials that it has not seen when that parameter is shuffled among them
(permutation importance, Breiman 2001), as a share of the sum. Ranks, so that one diverged trial
does not drown the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from algorithms.space.dimension import dimension
from controller.store.queries.trials import TrialRow
from controller.views.sampling import thinned
from events.spec.space import Parameter

FEWEST = 10
"""With fewer trials there is no estimate."""
MOST = 1000
FOLDS, TREES, SHUFFLES = 5, 50, 5


@dataclass(frozen=True, slots=True)
class Importance:
    """Shares by parameter, largest first.

    `explained` is the R² of the forest on unseen trials: how far to trust it.
    """

    shares: Sequence[tuple[str, float]]
    trials: int
    explained: float


def importance(
    parameters: Sequence[Parameter], rows: Sequence[TrialRow], objective: int = 0
) -> Importance | None:
    """Estimate from the trials with values, also infeasible ones; None if they are fewer than
    FEWEST, or all equal."""
    usable = thinned([row for row in rows if row.ranked or row.infeasible], MOST)
    if len(usable) < FEWEST or not parameters:
        return None
    points = np.column_stack([_column(parameter, usable) for parameter in parameters])
    ranks = _ranks(np.array([row.known[objective] for row in usable]))
    if np.ptp(ranks) == 0:
        return None
    losses, error = _losses(points, ranks)
    total = losses.sum()
    shares = losses / total if total > 0 else losses
    names = [parameter.name for parameter in parameters]
    ordered = sorted(zip(names, map(float, shares), strict=True), key=lambda pair: -pair[1])
    return Importance(ordered, len(usable), max(0.0, 1.0 - error / float(ranks.var())))


def _column(parameter: Parameter, rows: Sequence[TrialRow]) -> Any:
    """A parameter's values on its own scale, 0 to 1; -1 where there is none."""
    side = dimension(parameter)
    given = (row.assignment.get(parameter.name) for row in rows)
    encoded = (None if value is None else side.encode(value) for value in given)
    return np.array([-1.0 if place is None else place for place in encoded])


def _ranks(values: Any) -> Any:
    """Ranks from 0 to 1; equal values share one."""
    ordered, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    return middle[places] / max(1, len(values)) if len(ordered) > 1 else np.zeros(len(values))


def _losses(points: Any, ranks: Any) -> tuple[Any, float]:
    """For each parameter the added squared error on unseen trials when it is shuffled; and the
    error without that."""
    from sklearn.ensemble import RandomForestRegressor  # its import takes a second

    random = np.random.default_rng(0)
    folds = random.permutation(len(ranks)) % FOLDS
    added, error = np.zeros(points.shape[1]), 0.0
    for fold in range(FOLDS):
        seen, unseen = folds != fold, folds == fold
        forest = RandomForestRegressor(TREES, min_samples_leaf=2, random_state=fold).fit(
            points[seen], ranks[seen]
        )
        plain = _error(forest, points[unseen], ranks[unseen])
        error += plain * unseen.mean()
        for column in range(points.shape[1]):
            shuffled = _shuffled(points[unseen], column, random)
            worse = _error(forest, shuffled, np.tile(ranks[unseen], SHUFFLES)) - plain
            added[column] += worse * unseen.mean()
    return np.maximum(added, 0), float(error)


def _shuffled(points: Any, column: int, random: Any) -> Any:
    """SHUFFLES copies of the points, one column shuffled in each."""
    copies = np.tile(points, (SHUFFLES, 1))
    copies[:, column] = np.concatenate(
        [random.permutation(points[:, column]) for _ in range(SHUFFLES)]
    )
    return copies


def _error(forest: Any, points: Any, ranks: Any) -> float:
    return float(np.mean((forest.predict(points) - ranks) ** 2))
