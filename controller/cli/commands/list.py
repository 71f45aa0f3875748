"""`list`: print the experiments as a table, or as JSON."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.lookup import open_queries
from controller.cli.options import (
    DEFAULT_DATA,
    DEFAULT_NAMESPACE,
    Data,
    ListFormat,
    ListOutput,
    Url,
    has_store,
)
from controller.cli.tables import table
from controller.store.queries.experiments import MOST_LISTED, ExperimentSummary
from controller.views.experiments import EXPERIMENT_TITLES, experiment_cells, experiment_tree
from controller.views.summary import as_json

Ns = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Only this namespace; default: all.")
]
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


async def _experiments(
    namespace: str | None, limit: int, output: ListOutput, data: Path, database: str | None
) -> None:
    if not has_store(data, database):
        _print_experiments([], [], output)
        return
    async with open_queries(data, database) as queries:
        now = await queries.experiments.now()
        rows = await queries.experiments.newest(namespace, limit)
    _print_experiments(rows, [experiment_cells(row, now) for row in rows], output)


def _print_experiments(
    rows: list[ExperimentSummary], cells: list[tuple[str, ...]], output: ListOutput
) -> None:
    if output is ListOutput.JSON:
        typer.echo(as_json([experiment_tree(row) for row in rows]))
    elif not rows:
        typer.echo("There are no experiments here yet. Start one: trialstream run FILE")
    else:
        several = {row.namespace for row in rows} != {DEFAULT_NAMESPACE}
        shown = [
            place
            for place, title in enumerate(EXPERIMENT_TITLES)
            if several or title != "namespace"
        ]
        lines = ([line[place] for place in shown] for line in cells)
        table([EXPERIMENT_TITLES[place] for place in shown], lines, ("running", "best"))
