"""`trials`: the trials of an experiment as a table, JSON or CSV."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.errors import CommandError
from controller.cli.exits import ExitCode
from controller.cli.lookup import reading, states, the_experiment
from controller.cli.options import DEFAULT_DATA, DEFAULT_NAMESPACE, Data, Name, Namespace, Url
from controller.cli.tables import table
from controller.store.queries import Found, Last, Queries, TrialRow
from controller.views import words
from controller.views.fronts import outcome_metrics
from controller.views.rows import Columns, csv_text
from controller.views.summary import as_json
from events.facts import TrialState
from events.ids import TrialNumber


class TrialsOutput(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def trials(
    name: Name,
    state: Annotated[list[str] | None, typer.Option("--state", "-s", help="Only this state; may be repeated.")] = None,
    sort: Annotated[
        str, typer.Option(help="By `number`, by `value` with the best first, or by an objective.")
    ] = "number",
    front: Annotated[bool, typer.Option("--front", help="Only those of the Pareto front.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many.")] = 1000,
    output: Annotated[TrialsOutput, typer.Option("--output", "-o", help="How to print.")] = TrialsOutput.TABLE,
    namespace: Namespace = DEFAULT_NAMESPACE,
    data: Data = DEFAULT_DATA,
    database: Url = None,
) -> None:
    """List the trials of an experiment with their parameters and metrics."""
    asyncio.run(_trials((name, namespace), states(state or []), (sort, front), limit, output, (data, database)))


async def _trials(
    name: tuple[str, str],
    wanted: list[TrialState],
    order: tuple[str, bool],
    limit: int,
    output: TrialsOutput,
    where: tuple[Path, str | None],
) -> None:
    async with reading(*where) as queries:
        found = await the_experiment(queries, *name)
        identity = found.experiment.identity
        front = await queries.front(identity) if identity.spec.multi_objective else []
        rows = await _read(queries, found, wanted, order, front, limit)
        running = {row.number: row.attempt for row in rows if row.state is TrialState.RUNNING}
        last = await queries.last_values(identity.id, running, identity.spec.first_objective.metric)
    columns = Columns(found.experiment, {row.number for row in front})
    if output is TrialsOutput.TABLE:
        _print_trials(found, rows, last)
    elif output is TrialsOutput.CSV:
        typer.echo(csv_text(columns.names, (columns.row(row) for row in rows)), nl=False)
    else:
        typer.echo(as_json([columns.tree(row) for row in rows]))


async def _read(
    queries: Queries,
    found: Found,
    wanted: list[TrialState],
    order: tuple[str, bool],
    front: list[TrialRow],
    limit: int,
) -> list[TrialRow]:
    sort, only_front = order
    identity, targets = found.experiment.identity, found.experiment.spec.all_objectives
    place = _objective(sort, [target.metric for target in targets])
    if only_front and not identity.spec.multi_objective:
        raise CommandError("--front: there is one objective, so there is no front; see: --sort value", ExitCode.INVALID)
    if only_front:
        shown = sorted(front, key=lambda row: row.number if place is None else identity.spec.losses(row.known)[place])
        return [row for row in shown if not wanted or row.state in wanted][:limit]
    if place is None:
        return await queries.first(identity.id, limit, wanted)
    return await queries.ranking(identity.id, targets[place].type, limit, wanted, place)


def _objective(sort: str, metrics: list[str]) -> int | None:
    """By which objective to sort; None = by number."""
    if sort in metrics:
        return metrics.index(sort)
    if sort in ("number", "value"):
        return 0 if sort == "value" else None
    raise CommandError(
        f"--sort: {sort!r} is not known; there are: number, value, {', '.join(metrics)}", ExitCode.INVALID
    )


def _print_trials(found: Found, rows: list[TrialRow], last: dict[TrialNumber, Last]) -> None:
    spec, proposed = found.experiment.spec, found.experiment.progress.proposed
    parameters = [parameter.name for parameter in spec.parameters]
    metrics = outcome_metrics(found.experiment)
    bounded = ["feasible"] if spec.outcome_constraints else []
    titles = ["#", "state", *metrics, *bounded, "took", *parameters]
    cells = (_trial_cells(found, row, last.get(row.number), parameters) for row in rows)
    table(titles, cells, ("#", *metrics, *parameters))
    if len(rows) < proposed and not rows:
        typer.echo("No trial is in this state." if proposed else "There are no trials yet.")


def _trial_cells(found: Found, row: TrialRow, last: Last | None, parameters: list[str]) -> list[str]:
    began, ended = row.started_at, row.concluded_at or found.now
    took = words.duration((ended - began).total_seconds()) if began else "-"
    spec = found.experiment.spec
    values = [words.number(spec.value(row.observation, metric)) for metric in outcome_metrics(found.experiment)]
    if last:
        values[0] = f"{words.number(last.value)} at {last.step}"
    kept = ["yes" if row.ranked else "no" if row.infeasible else "-"] if spec.outcome_constraints else []
    given = [words.scalar(row.assignment[name]) if name in row.assignment else "-" for name in parameters]
    return [str(row.number), row.state, *values, *kept, took, *given]
