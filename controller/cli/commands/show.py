"""`show`: print everything about one experiment."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.front_table import MOST_LISTED_MEMBERS, show_front
from controller.cli.lookup import find_experiment, named, open_queries
from controller.cli.moment import At
from controller.cli.options import (
    DEFAULT_DATA,
    DEFAULT_NAMESPACE,
    Data,
    ListFormat,
    ListOutput,
    Name,
    Namespace,
    Url,
)
from controller.cli.tables import heading, pairs, table
from controller.views.overview import (
    LIVE_TITLES,
    best_facts,
    experiment_facts,
    importance_words,
    live_rows,
    points_facts,
    read_last,
    read_weighed,
    thinned_facts,
)
from controller.views.summary import as_json, best_row, front_rows, read_document


def show(
    name: Name,
    at: At = None,
    importance: Annotated[
        bool, typer.Option("--importance", help="Also how much each parameter matters.")
    ] = False,
    output: ListFormat = ListOutput.TABLE,
    namespace: Namespace = DEFAULT_NAMESPACE,
    data: Data = DEFAULT_DATA,
    database: Url = None,
) -> None:
    """Show everything about one experiment: state, counts, best trial, running trials, budgets."""
    asyncio.run(_show((name, namespace, at), output, data, database, weigh=importance))


async def _show(
    wanted: tuple[str, str, str | None],
    output: ListOutput,
    data: Path,
    database: str | None,
    *,
    weigh: bool,
) -> None:
    async with open_queries(data, database) as queries:
        snapshot = await find_experiment(queries, *wanted)
        if output is ListOutput.JSON:
            typer.echo(as_json(await read_document(queries, snapshot)))
            return
        experiment = snapshot.experiment
        best = await best_row(queries, experiment)
        front = await front_rows(queries, experiment, MOST_LISTED_MEMBERS)
        last = await read_last(queries, snapshot)
        thinned = await queries.curves.thinned_curves(experiment.identity.id)
        received = await queries.curves.received(experiment.identity.id)
        weighed = await read_weighed(queries, snapshot) if weigh else []
    name = named(experiment)
    points = () if snapshot.past else points_facts(received)
    pairs((*experiment_facts(snapshot), *points, *thinned_facts(thinned)))
    if best is not None:
        heading(f"Best: trial {best.number}")
        pairs(best_facts(experiment, best))
    if front:
        show_front(experiment, front, f"trialstream trials {name} --front")
    if experiment.progress.live:
        heading("Trials without a conclusion")
        table(LIVE_TITLES, live_rows(snapshot, last), ("#", "attempt"))
    if weigh:
        heading("Parameter importance")
        for line in importance_words(experiment, weighed):
            typer.echo(line)
    typer.echo(
        f"\nMore: trialstream trials {name}, trialstream why {name} TRIAL, trialstream report "
        f"{name}"
    )
