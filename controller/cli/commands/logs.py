"""`logs`: print the output of a trial unchanged; with --follow, until the trial has ended."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.errors import CommandError, print_error
from controller.cli.exits import ExitCode
from controller.cli.lookup import POLL_SECONDS, find_experiment, find_trial, open_queries
from controller.cli.options import (
    DEFAULT_DATA,
    DEFAULT_NAMESPACE,
    Data,
    Name,
    Namespace,
    Trial,
    Url,
)
from controller.store.queries import Queries
from controller.store.queries.experiments import ExperimentSnapshot
from controller.store.queries.trials import TrialRow
from controller.views.logs import last_lines, log_file, missing_words
from events.facts import TERMINAL
from events.regular_file import NOTHING_THERE, open_regular

CHUNK = 64 * 1024


def logs(
    name: Name,
    trial: Trial,
    attempt: Annotated[
        int | None, typer.Option(min=1, help="Which attempt; default: the last.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Continue until the trial has ended.")
    ] = False,
    namespace: Namespace = DEFAULT_NAMESPACE,
    data: Data = DEFAULT_DATA,
    database: Url = None,
) -> None:
    """Print the log of a trial."""
    asyncio.run(_logs((name, namespace, trial), attempt, follow, data, database))


async def _logs(
    wanted: tuple[str, str, str],
    attempt: int | None,
    follow: bool,
    data: Path,
    database: str | None,
) -> None:
    name, namespace, trial = wanted
    async with open_queries(data, database) as queries:
        snapshot = await find_experiment(queries, name, namespace)
        row = await find_trial(queries, snapshot, trial)
        chosen = attempt or max(row.attempt, 1)
        file = log_file(data, snapshot, row, chosen)
        if follow:
            await _follow(queries, snapshot, row, chosen, file)
        elif not file.is_file():
            raise CommandError(missing_words(snapshot, row, chosen, file), ExitCode.NOT_FOUND)
        else:
            _print_from(file, 0)


def _print_from(file: Path, start: int) -> int:
    """Copy the file from byte `start` on to standard output. Returns where the copy ended."""
    try:
        with open_regular(file) as opened:
            opened.seek(start)
            while chunk := opened.read(CHUNK):
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            return opened.tell()
    except OSError as error:
        if error.errno in NOTHING_THERE:
            return start
        raise


async def _follow(
    queries: Queries, snapshot: ExperimentSnapshot, row: TrialRow, attempt: int, file: Path
) -> None:
    """Print the log until the attempt is over, with all that it wrote before its end."""
    printed, over = 0, False
    while not over:
        now = await queries.trials.get(snapshot.experiment.identity.id, row.number)
        over = now is None or now.state in TERMINAL or now.attempt > attempt
        printed = _print_from(file, printed)
        if not over:
            await asyncio.sleep(POLL_SECONDS)
    if printed == 0 and not last_lines(file, 1):
        print_error(missing_words(snapshot, row, attempt, file))
        raise typer.Exit(ExitCode.NOT_FOUND)
