"""The trials of an experiment that were asked for, in the order that was asked for, and as rows of
a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.store.queries import Queries
from controller.store.queries.curves import LatestValue
from controller.store.queries.experiments import ExperimentSnapshot
from controller.store.queries.trials import TrialRow
from controller.views import words
from controller.views.fronts import outcome_metrics
from events.errors import RefusalError
from events.facts import TrialState
from events.ids import TrialNumber
from events.spec.experiment import ExperimentSpec

LONGEST_CELL = 40
"""Characters of a text in a table."""


class UnknownOrderError(RefusalError, ValueError):
    """Trials cannot be sorted by this; the message says by what they can."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which trials are wanted, and in which order."""

    states: Sequence[TrialState]
    """Only trials in these states; empty = in any."""
    sort: str
    """`number`, `value` (of the first objective, the best first), or the metric of an objective."""
    only_front: bool
    """Only members of the Pareto front. Needs several objectives."""
    limit: int


@dataclass(frozen=True, slots=True)
class Trials:
    """The selected trials, the numbers of the whole front, and what running trials have reported
    last."""

    rows: Sequence[TrialRow]
    front: set[TrialNumber]
    last: Mapping[TrialNumber, LatestValue]


async def read_trials(queries: Queries, snapshot: ExperimentSnapshot, wanted: Selection) -> Trials:
    """Read the selected trials. Raises UnknownOrderError."""
    identity = snapshot.experiment.identity
    order = objective(wanted.sort, identity.spec)
    front = await queries.trials.front(identity) if identity.spec.multi_objective else []
    if wanted.only_front:
        rows = _of_front(front, wanted, identity.spec, order)
    elif order is None:
        rows = await queries.trials.first(identity.id, wanted.limit, wanted.states)
    else:
        direction = identity.spec.all_objectives[order].type
        rows = await queries.trials.ranking(
            identity.id, direction, wanted.limit, wanted.states, order
        )
    running = {row.number: row.attempt for row in rows if row.state is TrialState.RUNNING}
    last = await queries.curves.last_values(
        identity.id, running, identity.spec.first_objective.metric
    )
    return Trials(rows, {row.number for row in front}, last)


def objective(sort: str, spec: ExperimentSpec) -> int | None:
    """The place of the objective that `sort` names; None = sort by number.

    Raises UnknownOrderError.
    """
    metrics = [target.metric for target in spec.all_objectives]
    if sort in metrics:
        return metrics.index(sort)
    if sort in ("number", "value"):
        return 0 if sort == "value" else None
    raise UnknownOrderError(
        f"{sort!r} is not known; there are: number, value, {', '.join(metrics)}"
    )


def _of_front(
    front: list[TrialRow], wanted: Selection, spec: ExperimentSpec, order: int | None
) -> list[TrialRow]:
    ordered = sorted(
        front, key=lambda row: row.number if order is None else spec.losses(row.known)[order]
    )
    return [row for row in ordered if not wanted.states or row.state in wanted.states][
        : wanted.limit
    ]


def trial_titles(snapshot: ExperimentSnapshot) -> tuple[list[str], set[str]]:
    """The titles of a table of trials, and which of its columns are numbers."""
    spec = snapshot.experiment.spec
    parameters = [parameter.name for parameter in spec.parameters]
    metrics = outcome_metrics(snapshot.experiment)
    bounded = ["feasible"] if spec.outcome_constraints else []
    return ["#", "state", *metrics, *bounded, "took", *parameters], {"#", *metrics, *parameters}


def trial_cells(snapshot: ExperimentSnapshot, row: TrialRow, last: LatestValue | None) -> list[str]:
    """One trial under `trial_titles`; `last` is what it has reported last, if it runs."""
    began, ended = row.started_at, row.concluded_at or snapshot.now
    took = words.duration((ended - began).total_seconds()) if began else "-"
    spec = snapshot.experiment.spec
    values = [
        _short(words.value(spec.value_or_text(row.observation, metric)))
        for metric in outcome_metrics(snapshot.experiment)
    ]
    if last:
        values[0] = f"{words.number(last.value)} at {last.step}"
    kept = (
        ["yes" if row.ranked else "no" if row.infeasible else "-"]
        if spec.outcome_constraints
        else []
    )
    names = [parameter.name for parameter in spec.parameters]
    given = [
        words.scalar(row.assignment[name]) if name in row.assignment else "-" for name in names
    ]
    return [str(row.number), row.state, *values, *kept, took, *given]


def _short(value: str) -> str:
    """Of a text as much as a column has room for."""
    return value if len(value) <= LONGEST_CELL else f"{value[:LONGEST_CELL]}…"
