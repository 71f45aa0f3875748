"""What `run` shows while it runs: a live view in a terminal, lines elsewhere, nothing with
`--output json`."""

import asyncio
import os
import sys
from collections.abc import Awaitable
from datetime import datetime
from typing import Protocol, TypeVar

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from controller.cli.missing_metrics import MissingMetrics
from controller.core.experiment import Experiment
from controller.store import StoreRefusedError, StoreUnavailableError
from controller.store.queries import Queries
from controller.store.queries.curves import LatestValue
from controller.store.queries.experiments import ExperimentSnapshot
from controller.views import words
from controller.views.progress import (
    best_line,
    concluded_words,
    news_line,
    running_trials,
    time_left_words,
)
from events.facts import SuggestionsRequested, TrialStarted
from events.ids import TrialNumber

Answer = TypeVar("Answer")
REFRESH_SECONDS = 0.4
MOST_TRIALS = 12
QUIET = (SuggestionsRequested, TrialStarted)
"""Facts that are not shown."""


class View(Protocol):
    """A way to show progress. `say` may be called at any time."""

    def say(self, text: str) -> None: ...

    async def follow(self, queries: Queries, experiment: Experiment) -> None:
        """Show the progress of the experiment until cancelled."""
        ...


class Silent:
    """For scripts: remarks go to stderr, nothing else is shown."""

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    async def follow(self, queries: Queries, experiment: Experiment) -> None:
        missing = MissingMetrics.of(queries, experiment, self.say)
        try:
            while not missing.said:
                await _if_available(missing.look())
                await asyncio.sleep(REFRESH_SECONDS)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await _if_available(missing.look())
            raise


class Lines:
    """A line for each thing that happens."""

    def say(self, text: str) -> None:
        try:
            print(words.clean(text), flush=True)
        except BrokenPipeError:  # nobody reads it any more; the experiment continues
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    async def follow(self, queries: Queries, experiment: Experiment) -> None:
        seen = experiment.progress.version
        try:
            while True:
                seen = await self._news(queries, experiment, seen)
                await asyncio.sleep(REFRESH_SECONDS)
        except asyncio.CancelledError:
            await _if_available(self._news(queries, experiment, seen))
            raise

    async def _news(self, queries: Queries, experiment: Experiment, seen: int) -> int:
        facts = await _if_available(queries.facts.page(experiment.identity.id, seen + 1))
        for recorded in facts or ():
            if not isinstance(recorded.fact, QUIET):
                self.say(news_line(experiment, recorded))
        return facts[-1].seq if facts else seen


class Screen:
    """A bar, counts, the best trial so far, the running trials with their last metric, time
    left."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        self._console.print(words.clean(text), markup=False, highlight=False)

    async def follow(self, queries: Queries, experiment: Experiment) -> None:
        name = (experiment.identity.namespace, experiment.identity.name)
        at_start = experiment.progress.counts.concluded
        missing = MissingMetrics.of(queries, experiment, self.say)
        try:
            with Live(console=self._console, auto_refresh=False, transient=True) as live:
                began: datetime | None = None
                while True:
                    snapshot = await _if_available(queries.experiments.find(*name))
                    if snapshot is not None:
                        began = began or snapshot.now
                        last = await _if_available(_last_values(queries, snapshot.experiment)) or {}
                        live.update(_picture(snapshot, last, began, at_start), refresh=True)
                        await _if_available(missing.tell(snapshot.experiment))
                    await asyncio.sleep(REFRESH_SECONDS)
        except asyncio.CancelledError:
            await _if_available(missing.look())
            raise


async def _last_values(queries: Queries, experiment: Experiment) -> dict[TrialNumber, LatestValue]:
    running = {
        number: trial.attempt
        for number, trial in list(experiment.progress.live.items())[:MOST_TRIALS]
    }
    return await queries.curves.last_values(
        experiment.identity.id, running, experiment.spec.first_objective.metric
    )


async def _if_available(question: Awaitable[Answer]) -> Answer | None:
    """The answer, or None while the database is unavailable: a view must not end a run."""
    try:
        return await question
    except (StoreUnavailableError, StoreRefusedError):
        return None


def _picture(
    snapshot: ExperimentSnapshot,
    last: dict[TrialNumber, LatestValue],
    began: datetime,
    at_start: int,
) -> Group:
    experiment = snapshot.experiment
    return Group(_bar(snapshot, began, at_start), _best(experiment), _running(experiment, last))


def _bar(snapshot: ExperimentSnapshot, began: datetime, at_start: int) -> Table:
    progress, spec = snapshot.experiment.progress, snapshot.experiment.spec
    done, total = progress.counts.concluded, spec.max_trial_count
    row = Table.grid(padding=(0, 1))
    shown = f"{done}/{total}" if total else str(done)
    row.add_row(
        Text(snapshot.experiment.identity.name, style="bold"),
        ProgressBar(total=total, completed=done, width=30, pulse=total is None),
        Text(shown),
        Text(concluded_words(snapshot.experiment), style="dim"),
        Text(time_left_words(snapshot, began, at_start), style="dim"),
    )
    return row


def _best(experiment: Experiment) -> Text:
    progress = experiment.progress
    return Text(
        best_line(experiment),
        style="green" if progress.front or progress.best is not None else "dim",
    )


def _running(experiment: Experiment, last: dict[TrialNumber, LatestValue]) -> Table:
    rows = Table.grid(padding=(0, 2))
    for name, state, value, runs in running_trials(experiment, last, MOST_TRIALS):
        style = "" if runs else "dim"
        rows.add_row(Text(f"  {name}", style), Text(state, style), Text(value))
    hidden = len(experiment.progress.live) - MOST_TRIALS
    if hidden > 0:
        rows.add_row(Text(f"  and {hidden} more", style="dim"))
    return rows
