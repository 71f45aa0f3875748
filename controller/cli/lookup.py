"""Find the experiment, trial or state that a person named; if there is none, the error says what
there is."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path

from controller.cli.errors import CommandError
from controller.cli.exits import ExitCode
from controller.cli.moment import read_moment
from controller.cli.options import DEFAULT_NAMESPACE, full_name, has_store, open_store
from controller.core.experiment import Experiment
from controller.store.queries import Queries
from controller.store.queries.experiments import ExperimentSnapshot
from controller.store.queries.trials import TrialRow
from controller.views.time_travel import trial_as_of
from events.facts import TrialState
from events.ids import trial_number

POLL_SECONDS = 0.5
"""How often a command that follows an experiment looks again."""


@asynccontextmanager
async def open_queries(data: Path, database: str | None) -> AsyncGenerator[Queries]:
    """The queries of a command that only reads.

    Raises CommandError if the data folder has no database.
    """
    if not has_store(data, database):
        message = f"there are no experiments in {data}; start one with: trialstream run FILE"
        raise CommandError(f"{message} (or name another folder with --data)", ExitCode.NOT_FOUND)
    async with open_store(data, database) as opened:
        yield Queries(opened)


async def find_experiment(
    queries: Queries, name: str, namespace: str, at: str | None = None
) -> ExperimentSnapshot:
    """The experiment of this name, as it is or as it was at the moment `at`.

    Raises CommandError with the names that come close, or with what `at` may be.
    """
    wanted = full_name(name, namespace)
    snapshot = await queries.experiments.find(*wanted)
    if snapshot is None:
        raise CommandError(_unknown(wanted, await queries.experiments.names()), ExitCode.NOT_FOUND)
    return snapshot if at is None else await _as_of(queries, snapshot, at)


async def _as_of(queries: Queries, snapshot: ExperimentSnapshot, at: str) -> ExperimentSnapshot:
    when = read_moment("--at", at, snapshot.now)
    moment = await queries.experiments.moment(snapshot.experiment.identity.id, when)
    if moment is None:
        name = named(snapshot.experiment)
        if isinstance(when, datetime):
            created = snapshot.created_at.isoformat()
            message = f"{name} did not exist at {when.isoformat()}; it was created at {created}"
        else:
            last = snapshot.experiment.progress.version
            message = f"{name} has no event {at!r}; its events are 1 to {last}"
            message += f", see: trialstream events {name}"
        raise CommandError(message, ExitCode.NOT_FOUND)
    return await queries.experiments.as_of(snapshot, moment)


async def find_trial(queries: Queries, snapshot: ExperimentSnapshot, text: str) -> TrialRow:
    """The trial that `text` names, such as `12` or `digits-12`; raises CommandError if there is
    none."""
    identity, proposed = snapshot.experiment.identity, snapshot.experiment.progress.proposed
    number = trial_number(identity.name, text)
    row = (
        await queries.trials.get(identity.id, number)
        if number is not None and number <= proposed
        else None
    )
    if row is None:
        there = f"its trials are 1 to {proposed}" if proposed else "it has no trials yet"
        when = f" (as of {snapshot.now.isoformat()})" if snapshot.past else ""
        raise CommandError(
            f"{identity.name} has no trial {text!r}; {there}{when}", ExitCode.NOT_FOUND
        )
    return trial_as_of(row, snapshot)


def states(texts: list[str]) -> list[TrialState]:
    """The states of trials, from how people write them: `early-stopped` is EarlyStopped.

    Raises CommandError.
    """
    return [_state(text) for text in texts]


def _state(text: str) -> TrialState:
    plain = text.replace("-", "").replace("_", "").lower()
    for state in TrialState:
        if state.lower() == plain:
            return state
    raise CommandError(
        f"--state: {text!r} is not a state of a trial; there are: {', '.join(TrialState)}",
        ExitCode.INVALID,
    )


def _unknown(wanted: tuple[str, str], known: list[tuple[str, str]]) -> str:
    namespace, name = wanted
    message = f"there is no experiment {name!r} in namespace {namespace!r}"
    shown = {full: short_name(full) for full in known}
    elsewhere = [text for full, text in shown.items() if full[1] == name]
    near = elsewhere or get_close_matches(short_name(wanted), list(shown.values()), n=3)
    if near:
        return f"{message}; did you mean {' or '.join(near)}?"
    return (
        f"{message}; see: trialstream list" if known else f"{message}; there are no experiments yet"
    )


def named(experiment: Experiment) -> str:
    """The shortest name of an experiment that a command understands."""
    return short_name((experiment.identity.namespace, experiment.identity.name))


def short_name(full: tuple[str, str]) -> str:
    """The shortest name that a command understands, from (namespace, name)."""
    namespace, name = full
    return name if namespace == DEFAULT_NAMESPACE else f"{namespace}/{name}"
