"""Results of earlier experiments, as the rows from which a new one starts."""

from controller.store.ledger import Ledger
from events.errors import MissingSourceError
from events.spec.experiment import ExperimentSpec
from events.spec.objective import Direction
from events.spec.warm_start import MOST_BYTES, MOST_ROWS, Row, WarmStart, written_size


class UnknownEarlierError(MissingSourceError, ValueError):
    """There is no such experiment, or its results mean something else; the message has a remedy."""


async def with_rows(ledger: Ledger, namespace: str, spec: ExperimentSpec) -> ExperimentSpec:
    """The spec with the results of the experiments that its warm start names, best first, as many
    as a fact can hold.

    Raises UnknownEarlierError.
    """
    warm = spec.warm_start
    if warm is None or not warm.experiments:
        return spec
    rows: list[Row] = []
    for name in warm.experiments:
        rows += await _rows(ledger, namespace, name, spec)
    rows.sort(key=lambda row: spec.first_objective.loss(row.value))
    del rows[MOST_ROWS:]
    while written_size(tuple(rows)) > MOST_BYTES:
        del rows[len(rows) * 9 // 10 :]
    learnt: WarmStart = warm.model_copy(update={"rows": tuple(rows)})
    return spec.model_copy(update={"warm_start": learnt})


async def _rows(ledger: Ledger, namespace: str, name: str, spec: ExperimentSpec) -> list[Row]:
    """Succeeded trials alone: the value of one that was stopped early is that of a curve that was
    cut off."""
    target = spec.first_objective
    known = await ledger.find(namespace, name)
    if known is None:
        raise UnknownEarlierError(
            f"spec.warmStart.experiment: there is no experiment {name!r} in namespace "
            f"{namespace!r}; "
            "see: trialstream list"
        )
    earlier = known[0]
    if earlier.spec.first_objective.metric != target.metric:
        raise UnknownEarlierError(
            f"spec.warmStart.experiment: {name!r} optimised "
            f"{earlier.spec.first_objective.metric!r}, "
            f"not {target.metric!r}; give rows that have that value"
        )
    sign = 1.0 if target.type is Direction.MINIMIZE else -1.0
    results = await ledger.results(earlier.identity.id, sign, MOST_ROWS)
    valued = ((assignment, target.value(observation)) for assignment, observation in results)
    return [
        Row(parameters=dict(assignment), value=value)
        for assignment, value in valued
        if value is not None
    ]
