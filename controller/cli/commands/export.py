"""`export`: write all trials of an experiment as CSV or JSON lines, page by page."""

import asyncio
import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TextIO

import typer

from controller.cli.errors import CommandError
from controller.cli.exits import ExitCode
from controller.cli.lookup import find_experiment, open_queries
from controller.cli.options import DEFAULT_DATA, DEFAULT_NAMESPACE, Data, Name, Namespace, Url
from controller.store.queries.trials import TrialRow
from controller.views.rows import Columns, csv_text


class ExportOutput(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


ExportFile = Annotated[
    Path | None,
    typer.Option("--file", "-f", dir_okay=False, help="Write here; default: standard output."),
]


def export(
    name: Name,
    output: Annotated[
        ExportOutput, typer.Option("--output", "-o", help="The format.")
    ] = ExportOutput.CSV,
    file: ExportFile = None,
    namespace: Namespace = DEFAULT_NAMESPACE,
    data: Data = DEFAULT_DATA,
    database: Url = None,
) -> None:
    """Write all trials, one row each: state, parameters, metrics, times."""
    asyncio.run(_export((name, namespace), output, file, (data, database)))


async def _export(
    name: tuple[str, str], output: ExportOutput, file: Path | None, where: tuple[Path, str | None]
) -> None:
    written = 0
    async with open_queries(*where) as queries:
        snapshot = await find_experiment(queries, *name)
        identity = snapshot.experiment.identity
        front = (
            {row.number for row in await queries.trials.front(identity)}
            if identity.spec.multi_objective
            else set()
        )
        columns = Columns(snapshot.experiment, front)
        with _target(file) as target:
            if output is ExportOutput.CSV:
                target.write(csv_text(columns.names, ()))
            async for row in queries.trials.every(identity.id):
                target.write(_line(columns, row, output))
                written += 1
    if file is not None:
        typer.echo(f"{written:,} trials written to {file}", err=True)


def _line(columns: Columns, row: TrialRow, output: ExportOutput) -> str:
    if output is ExportOutput.CSV:
        return csv_text(None, [columns.row(row)])
    return json.dumps(columns.tree(row), ensure_ascii=False, allow_nan=False) + "\n"


@contextmanager
def _target(file: Path | None) -> Generator[TextIO]:
    if file is None:
        yield sys.stdout
        return
    try:
        opened = file.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise CommandError(
            f"{file} cannot be written: {error.strerror}", ExitCode.INVALID
        ) from None
    with opened:
        yield opened
