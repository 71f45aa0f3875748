"""`why`: print the story of one trial, and what to do if it failed."""

import asyncio
from pathlib import Path

import typer

from controller.cli.commands.logs import last_lines, log_file
from controller.cli.lookup import reading, short_name, the_experiment, the_trial
from controller.cli.moment import At
from controller.cli.options import DEFAULT_DATA, DEFAULT_NAMESPACE, Data, Name, Namespace, Trial, Url
from controller.cli.tables import heading
from controller.core.best import best_trials
from controller.store.queries import Found, Queries, TrialRow
from controller.views import words
from controller.views.story import Sentence, Story, advice
from events.facts import TrialConcluded, TrialState

LOG_LINES = 12
MOST_ATTEMPTS = 20
"""Attempts, the last ones, whose reports are looked up."""


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
        sentences, conclusion = await _story(queries, found, row)
    _print(sentences)
    if row.number in best_trials(found.experiment.progress):
        rank = "on the Pareto front" if found.experiment.spec.multi_objective else "the best trial"
        typer.secho(f"It is {rank} so far.", fg=typer.colors.GREEN)
    if conclusion is not None:
        _print_trouble(conclusion, found, log_file(data, found, row, row.attempt))


async def _story(queries: Queries, found: Found, row: TrialRow) -> tuple[list[Sentence], TrialConcluded | None]:
    identity = found.experiment.identity
    facts = await queries.trial_facts(identity.id, row.number, found.experiment.progress.version)
    first = max(1, row.attempt - MOST_ATTEMPTS + 1)
    reported = {
        attempt: await queries.reported(identity.id, row.number, attempt, found.until)
        for attempt in range(first, row.attempt + 1)
    }
    story = Story(found.experiment, reported)
    last = facts[-1].fact if facts else None
    return story.tell(facts, found.now), last if isinstance(last, TrialConcluded) else None


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
