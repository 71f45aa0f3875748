"""`why`: explain one trial, and say what to do if it failed."""

import asyncio
from pathlib import Path

import typer

from controller.cli.lookup import find_experiment, find_trial, named, open_queries
from controller.cli.moment import At
from controller.cli.options import (
    DEFAULT_DATA,
    DEFAULT_NAMESPACE,
    Data,
    Name,
    Namespace,
    Trial,
    Url,
)
from controller.cli.tables import heading
from controller.store.queries.experiments import ExperimentSnapshot
from controller.views import words
from controller.views.logs import last_lines, log_file
from controller.views.story import Sentence, advice, rank_words, read_story
from events.facts import TrialConcluded, TrialState

LOG_LINES = 12


def why(
    name: Name,
    trial: Trial,
    at: At = None,
    namespace: Namespace = DEFAULT_NAMESPACE,
    data: Data = DEFAULT_DATA,
    database: Url = None,
) -> None:
    """Explain one trial: why it was made, how it went, and how it ended."""
    asyncio.run(_why((name, namespace, at), trial, data, database))


async def _why(
    wanted: tuple[str, str, str | None], trial: str, data: Path, database: str | None
) -> None:
    async with open_queries(data, database) as queries:
        snapshot = await find_experiment(queries, *wanted)
        row = await find_trial(queries, snapshot, trial)
        sentences, conclusion = await read_story(queries, snapshot, row)
    _print(sentences)
    if praise := rank_words(snapshot.experiment, row.number):
        typer.secho(praise, fg=typer.colors.GREEN)
    if conclusion is not None:
        _print_trouble(conclusion, snapshot, log_file(data, snapshot, row, row.attempt))


def _print(sentences: list[Sentence]) -> None:
    shown = ""
    for one in sentences:
        clock = words.clock(one.at)
        typer.echo(f"{clock if clock != shown else ' ' * len(clock)}  {one.text}")
        shown = clock


def _print_trouble(conclusion: TrialConcluded, snapshot: ExperimentSnapshot, log: Path) -> None:
    said = advice(conclusion, snapshot.experiment, named(snapshot.experiment))
    if said is None:
        return
    lines = (
        last_lines(log, LOG_LINES)
        if conclusion.state in (TrialState.FAILED, TrialState.METRICS_UNAVAILABLE)
        else []
    )
    if lines:
        heading(f"The last lines of its log ({log})")
        for line in lines:
            typer.echo(f"  {words.clean(line)}")
    heading("What to do")
    typer.echo(f"  {said}")
