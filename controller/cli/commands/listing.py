"""`list` and `trials`: experiments and trials as tables, JSON or CSV."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli.errors import CommandError
from controller.cli.exits import Exit
from controller.cli.lookup import reading, states, the_experiment
from controller.cli.options import DEFAULT_DATA, DEFAULT_NAMESPACE, Data, Name, Namespace, Url, has_store
from controller.cli.tables import table
from controller.store.queries import MOST_LISTED, Found, Last, Listed, Queries, TrialRow
from controller.views import words
from controller.views.fronts import outcome_metrics
from controller.views.rows import Columns, csv_text
from controller.views.summary import as_json
from events.facts import TrialState
from events.ids import TrialNumber


class ListOutput(StrEnum):
    TABLE = "table"
    JSON = "json"


class TrialsOutput(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


Ns = Annotated[str | None, typer.Option("--namespace", "-n", help="Only this namespace; default: all.")]
ListFormat = Annotated[ListOutput, typer.Option("--output", "-o", help="How to print.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=MOST_LISTED, help="At most so many.")]


def experiments(
    namespace: Ns = None,
    limit: Limit = 100,
    output: ListFormat = ListOutput.TABLE,
    data: Data = DEFAULT_DATA,
    database: Url = None,
) -> None:
    """List the experiments, the newest first."""
    asyncio.run(_experiments(namespace, limit, output, data, database))


async def _experiments(namespace: str | None, limit: int, output: ListOutput, data: Path, database: str | None) -> None:
    if not has_store(data, database):
        _print_experiments([], output)
        return
    async with reading(data, database) as queries:
        now = await queries.now()
        rows = await queries.experiments(namespace, limit)
    _print_experiments([(row, words.age(row.created_at, now)) for row in rows], output)


def _print_experiments(rows: list[tuple[Listed, str]], output: ListOutput) -> None:
    if output is ListOutput.JSON:
        typer.echo(as_json([_listed_json(row) for row, _ in rows]))
    elif not rows:
        typer.echo("There are no experiments here yet. Start one: trialstream run FILE")
    else:
        several = {row.namespace for row, _ in rows} != {DEFAULT_NAMESPACE}
        titles = ("name", "namespace", "state", "trials", "running", "best", "age")
        lines = [_experiment_cells(row, age) for row, age in rows]
        shown = [index for index, title in enumerate(titles) if several or title != "namespace"]
        table(
            [titles[index] for index in shown],
            [[line[index] for index in shown] for line in lines],
            ("running", "best"),
        )


def _experiment_cells(row: Listed, age: str) -> tuple[str, ...]:
    done = f"{row.concluded}/{row.budget}" if row.budget else str(row.concluded)
    return (
        row.name,
        row.namespace,
        row.state,
        done,
        str(row.live),
        f"front of {row.front}" if row.front else words.number(row.best),
        age,
    )


def _listed_json(row: Listed) -> dict[str, Any]:
    return {
        "name": row.name,
        "namespace": row.namespace,
        "state": row.state.value,
        "concluded": row.concluded,
        "maxTrialCount": row.budget,
        "live": row.live,
        "best": row.best,
        "front": row.front,
        "createdAt": row.created_at.isoformat(),
    }


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
        front = await queries.front(identity) if identity.spec.several else []
        rows = await _read(queries, found, wanted, order, front, limit)
        running = {row.number: row.attempt for row in rows if row.state is TrialState.RUNNING}
        last = await queries.last_values(identity.id, running, identity.spec.target.metric)
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
    identity, targets = found.experiment.identity, found.experiment.spec.targets
    place = _objective(sort, [target.metric for target in targets])
    if only_front and not identity.spec.several:
        raise CommandError("--front: there is one objective, so there is no front; see: --sort value", Exit.INVALID)
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
    raise CommandError(f"--sort: {sort!r} is not known; there are: number, value, {', '.join(metrics)}", Exit.INVALID)


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
