"""`why`: print the story of one trial, and what to do if it failed."""

import asyncio
from pathlib import Path

import typer

from controller.cli.lookup import reading, short_name, the_experiment, the_trial
from controller.cli.moment import At
from controller.cli.options import DEFAULT_DATA, DEFAULT_NAMESPACE, Data, Name, Namespace, Trial, Url
from controller.cli.tables import heading
from controller.store.queries import Found
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
    """Tell the story of one trial: why it was made, how it went, and how it ended."""
    asyncio.run(_why((name, namespace, at), trial, data, database))


async def _why(wanted: tuple[str, str, str | None], trial: str, data: Path, database: str | None) -> None:
    async with reading(data, database) as queries:
        found = await the_experiment(queries, *wanted)
        row = await the_trial(queries, found, trial)
        sentences, conclusion = await read_story(queries, found, row)
    _print(sentences)
    if praise := rank_words(found.experiment, row.number):
        typer.secho(praise, fg=typer.colors.GREEN)
    if conclusion is not None:
        _print_trouble(conclusion, found, log_file(data, found, row, row.attempt))


def _print(sentences: list[Sentence]) -> None:
    shown = ""
    for one in sentences:
        clock = words.clock(one.at)
        typer.echo(f"{clock if clock != shown else ' ' * len(clock)}  {one.text}")
        shown = clock


def _print_trouble(conclusion: TrialConcluded, found: Found, log: Path) -> None:
    identity = found.experiment.identity
    said = advice(conclusion, short_name((identity.namespace, identity.name)))
    if said is None:
        return
    lines = (
        last_lines(log, LOG_LINES) if conclusion.state in (TrialState.FAILED, TrialState.METRICS_UNAVAILABLE) else []
    )
    if lines:
        heading(f"The last lines of its log ({log})")
        for line in lines:
            typer.echo(f"  {words.clean(line)}")
    heading("What to do")
    typer.echo(f"  {said}")
