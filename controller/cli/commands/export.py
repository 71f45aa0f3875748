"""`export`: write all trials of an experiment as CSV or JSON lines, page by page."""

import asyncio
import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Form:
    """How trials are written; `safe` is for spreadsheets."""

    output: ExportOutput
    safe: bool

    def first(self, columns: Columns) -> str:
        """What comes before all trials."""
        is_csv = self.output is ExportOutput.CSV
        return csv_text(columns.names, (), safe=self.safe) if is_csv else ""

    def line(self, columns: Columns, row: TrialRow) -> str:
        if self.output is ExportOutput.CSV:
            return csv_text(None, [columns.row(row)], safe=self.safe)
        return json.dumps(columns.tree(row), ensure_ascii=False, allow_nan=False) + "\n"


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
    safe: Annotated[
        bool,
        typer.Option(
            "--safe",
            help="For spreadsheets: put ' before texts of CSV that they would take for formulas.",
        ),
    ] = False,
    namespace: Namespace = DEFAULT_NAMESPACE,
    data: Data = DEFAULT_DATA,
    database: Url = None,
) -> None:
    """Write all trials, one row each: state, parameters, metrics, times."""
    if safe and output is not ExportOutput.CSV:
        raise CommandError("--safe is for CSV; JSON knows no formulas", ExitCode.INVALID)
    asyncio.run(_export((name, namespace), Form(output, safe), file, (data, database)))


async def _export(
    name: tuple[str, str], form: Form, file: Path | None, where: tuple[Path, str | None]
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
            target.write(form.first(columns))
            async for row in queries.trials.every(identity.id):
                target.write(form.line(columns, row))
                written += 1
    if file is not None:
        typer.echo(f"{written:,} trials written to {file}", err=True)


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
