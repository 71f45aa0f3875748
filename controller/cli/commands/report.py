"""`report`: write an experiment as a single HTML file that works offline."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.errors import CommandError
from controller.cli.exits import ExitCode
from controller.cli.lookup import find_experiment, open_queries
from controller.cli.options import DEFAULT_DATA, DEFAULT_NAMESPACE, Data, Name, Namespace, Url
from controller.views.report.page import page
from controller.views.report.subject import read_subject

Target = Annotated[
    Path | None, typer.Option("--file", "-f", dir_okay=False, help="Write here; default: NAME.html")
]


def report(
    name: Name,
    file: Target = None,
    namespace: Namespace = DEFAULT_NAMESPACE,
    data: Data = DEFAULT_DATA,
    database: Url = None,
) -> None:
    """Write a report as a single HTML file that works offline."""
    html, short = asyncio.run(_html(name, namespace, data, database))
    target = file or Path(f"{short}.html")
    try:
        target.write_text(html, encoding="utf-8")
    except OSError as error:
        raise CommandError(
            f"{target} cannot be written: {error.strerror}", ExitCode.INVALID
        ) from None
    typer.echo(f"{target} written; open it in a browser: {target.absolute().as_uri()}")


async def _html(name: str, namespace: str, data: Path, database: str | None) -> tuple[str, str]:
    async with open_queries(data, database) as queries:
        snapshot = await find_experiment(queries, name, namespace)
        subject = await read_subject(queries, snapshot)
    return page(subject), snapshot.experiment.identity.name
