"""`list`: the experiments as a table, or as JSON."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli.lookup import reading
from controller.cli.options import DEFAULT_DATA, DEFAULT_NAMESPACE, Data, ListFormat, ListOutput, Url, has_store
from controller.cli.tables import table
from controller.store.queries import MOST_LISTED, Listed
from controller.views import words
from controller.views.summary import as_json

Ns = Annotated[str | None, typer.Option("--namespace", "-n", help="Only this namespace; default: all.")]
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
