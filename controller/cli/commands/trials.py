"""`trials`: print the trials of an experiment as a table, JSON or CSV."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.errors import CommandError
from controller.cli.exits import ExitCode
from controller.cli.lookup import find_experiment, open_queries, states
from controller.cli.options import DEFAULT_DATA, DEFAULT_NAMESPACE, Data, Name, Namespace, Url
from controller.cli.tables import table
from controller.store.queries.experiments import ExperimentSnapshot
from controller.views.rows import Columns, csv_text
from controller.views.summary import as_json
from controller.views.trials import (
    Selection,
    Trials,
    UnknownOrderError,
    read_trials,
    trial_cells,
    trial_titles,
)


class TrialsOutput(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def trials(
    name: Name,
    state: Annotated[
        list[str] | None, typer.Option("--state", "-s", help="Only this state; may be repeated.")
    ] = None,
    sort: Annotated[
        str, typer.Option(help="By `number`, by `value` with the best first, or by an objective.")
    ] = "number",
    front: Annotated[bool, typer.Option("--front", help="Only those of the Pareto front.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=100_000, help="At most so many.")
    ] = 1000,
    output: Annotated[
        TrialsOutput, typer.Option("--output", "-o", help="How to print.")
    ] = TrialsOutput.TABLE,
    namespace: Namespace = DEFAULT_NAMESPACE,
    data: Data = DEFAULT_DATA,
    database: Url = None,
) -> None:
    """List the trials of an experiment with their parameters and metrics."""
    wanted = Selection(states(state or []), sort, front, limit)
    snapshot, read = asyncio.run(_read((name, namespace), wanted, data, database))
    columns = Columns(snapshot.experiment, read.front)
    if output is TrialsOutput.TABLE:
        _print(snapshot, read)
    elif output is TrialsOutput.CSV:
        typer.echo(csv_text(columns.names, (columns.row(row) for row in read.rows)), nl=False)
    else:
        typer.echo(as_json([columns.tree(row) for row in read.rows]))


async def _read(
    name: tuple[str, str], wanted: Selection, data: Path, database: str | None
) -> tuple[ExperimentSnapshot, Trials]:
    async with open_queries(data, database) as queries:
        snapshot = await find_experiment(queries, *name)
        if wanted.only_front and not snapshot.experiment.spec.multi_objective:
            message = "--front: there is one objective, so there is no front; see: --sort value"
            raise CommandError(message, ExitCode.INVALID)
        try:
            return snapshot, await read_trials(queries, snapshot, wanted)
        except UnknownOrderError as error:
            raise CommandError(f"--sort: {error}", ExitCode.INVALID) from None


def _print(snapshot: ExperimentSnapshot, read: Trials) -> None:
    titles, numbers = trial_titles(snapshot)
    table(
        titles,
        (trial_cells(snapshot, row, read.last.get(row.number)) for row in read.rows),
        numbers,
    )
    if not read.rows:
        typer.echo(
            "No trial is in this state."
            if snapshot.experiment.progress.proposed
            else "There are no trials yet."
        )
