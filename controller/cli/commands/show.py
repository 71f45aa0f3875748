"""`show`: everything about one experiment on one screen."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.front_table import MOST_LISTED_MEMBERS, show_front
from controller.cli.lookup import reading, short_name, the_experiment
from controller.cli.moment import At
from controller.cli.options import DEFAULT_DATA, DEFAULT_NAMESPACE, Data, ListFormat, ListOutput, Name, Namespace, Url
from controller.cli.tables import heading, pairs, table
from controller.core.experiment import Experiment
from controller.store.queries import Found, Last, TrialRow
from controller.views import words
from controller.views.summary import (
    algorithm_words,
    as_json,
    best_row,
    counts_words,
    front_rows,
    in_order,
    metric_values,
    read_document,
    state_words,
)
from controller.views.warm_start import known_before
from events.facts import TrialState
from events.ids import TrialNumber

MOST_WEIGHED, MOST_SHARES = 1000, 6
"""Trials from which importance is estimated, and parameters that are listed."""
MOST_LIVE = 50
"""Running trials that are shown."""


def show(
    name: Name,
    at: At = None,
    importance: Annotated[bool, typer.Option("--importance", help="Also how much each parameter matters.")] = False,
    output: ListFormat = ListOutput.TABLE,
    namespace: Namespace = DEFAULT_NAMESPACE,
    data: Data = DEFAULT_DATA,
    database: Url = None,
) -> None:
    """Show everything about one experiment: state, counts, best trial, running trials, budgets."""
    asyncio.run(_show((name, namespace, at), output, data, database, weigh=importance))


async def _show(
    wanted: tuple[str, str, str | None], output: ListOutput, data: Path, database: str | None, *, weigh: bool
) -> None:
    async with reading(data, database) as queries:
        found = await the_experiment(queries, *wanted)
        if output is ListOutput.JSON:
            typer.echo(as_json(await read_document(queries, found)))
            return
        experiment = found.experiment
        best, front = await best_row(queries, experiment), await front_rows(queries, experiment, MOST_LISTED_MEMBERS)
        live = {number: trial.attempt for number, trial in list(experiment.progress.live.items())[:MOST_LIVE]}
        last = await queries.last_values(
            experiment.identity.id, live, experiment.spec.first_objective.metric, found.until
        )
        proposed = experiment.progress.proposed if weigh else 0
        rows = await queries.sample(experiment.identity.id, proposed, MOST_WEIGHED) if weigh else []
    _print(found, best, front, last)
    if weigh:
        _print_importance(found, rows)
    name = short_name((experiment.identity.namespace, experiment.identity.name))
    typer.echo(f"\nMore: trialstream trials {name}, trialstream why {name} TRIAL, trialstream report {name}")


def _print_importance(found: Found, rows: list[TrialRow]) -> None:
    """The shares of the parameters that matter most for each objective; the report says how they are estimated."""
    from controller.views.importance import FEWEST, importance  # what it needs takes a second to import

    heading("Parameter importance")
    spec, until = found.experiment.spec, found.now
    known = [row for row in rows if row.concluded_at is not None and row.concluded_at <= until]
    for place, target in enumerate(spec.all_objectives):
        matters = importance(spec.parameters, known, place)
        shares = "" if matters is None else words.shares(matters.shares[:MOST_SHARES])
        few = f"needs at least {FEWEST} trials with values that differ"
        trust = "" if matters is None else f" (explains {matters.explained:.0%} of the differences in rank)"
        typer.echo(f"{words.clean(target.metric)}: {shares or few}{trust}")


def _print(found: Found, best: TrialRow | None, front: list[TrialRow], last: dict[TrialNumber, Last]) -> None:
    identity = found.experiment.identity
    name = short_name((identity.namespace, identity.name))
    pairs(_facts(found))
    if best is not None:
        heading(f"Best: trial {best.number}")
        pairs(_best(found.experiment, best))
    if front:
        show_front(found.experiment, front, f"trialstream trials {name} --front")
    if found.experiment.progress.live:
        heading("Trials without a conclusion")
        table(("#", "state", "attempt", "last value", "when"), _live(found, last), ("#", "attempt"))


def _facts(found: Found) -> Iterator[tuple[str, str]]:
    experiment, spec = found.experiment, found.experiment.spec
    identity = experiment.identity
    yield "Name", f"{identity.name} (namespace {identity.namespace})"
    if found.past:
        yield "As of", f"{words.clock(found.now)} (event {experiment.progress.version:,})"
    yield "State", state_words(experiment)
    yield "Objectives" if spec.multi_objective else "Objective", "\n".join(map(words.objective, spec.all_objectives))
    if spec.outcome_constraints:
        missed = words.count(experiment.progress.infeasible, "trial")
        yield "Constraints", "\n".join((*spec.outcome_constraints, f"({missed} infeasible)"))
    yield "Trials", counts_words(experiment)
    yield "Algorithm", algorithm_words(experiment)
    yield from known_before(spec)
    yield from budgets(experiment, found.now)
    yield "Created", f"{words.clock(found.created_at)} ({words.age(found.created_at, found.now)} ago)"
    if found.concluded_at is not None:
        took = words.duration((found.concluded_at - found.created_at).total_seconds())
        yield "Concluded", f"{words.clock(found.concluded_at)} (after {took})"
    yield "Id", str(identity.id)


def budgets(experiment: Experiment, now: datetime) -> Iterator[tuple[str, str]]:
    """What limits the experiment beside the number of trials."""
    spec, progress = experiment.spec, experiment.progress
    yield "Parallel", str(spec.parallel)
    if spec.max_failed_trial_count is not None:
        counts = progress.counts
        yield "Failures", f"{counts.failed + counts.metrics_unavailable} of {spec.max_failed_trial_count} allowed"
    if spec.budget.wall_clock_seconds is not None:
        left = progress.seconds_left
        if progress.deadline is not None:
            left = max(0.0, (progress.deadline - now).total_seconds())
        rest = f", {words.duration(left)} left" if left is not None else ""
        yield "Time limit", f"{words.duration(spec.budget.wall_clock_seconds)}{rest}"


def _best(experiment: Experiment, best: TrialRow) -> Iterator[tuple[str, str]]:
    yield "Metrics", words.values(metric_values(experiment, best))
    for name, value in in_order(experiment, best.assignment).items():
        yield words.clean(name), words.scalar(value)


def _live(found: Found, last: dict[TrialNumber, Last]) -> Iterator[tuple[str, ...]]:
    metric = found.experiment.spec.first_objective.metric
    for number, trial in list(found.experiment.progress.live.items())[:MOST_LIVE]:
        seen = last.get(number)
        value = f"{metric}={words.number(seen.value)} (report {seen.step})" if seen else "-"
        when = f"{words.age(seen.at, found.now)} ago" if seen else "-"
        state = trial.state if trial.end is None else TrialState.RUNNING
        yield str(number), state, str(trial.attempt), value, when
