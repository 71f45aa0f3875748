"""`run`: run an experiment, or resume it, and print how it ended."""

import asyncio
import logging
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from controller.cli.errors import CommandError, print_warning
from controller.cli.exits import ExitCode
from controller.cli.experiment_file import load_experiment
from controller.cli.front_table import MOST_LISTED_MEMBERS, show_front
from controller.cli.lookup import named
from controller.cli.options import DEFAULT_DATA, Data, ExperimentFile, Seed, Url, read_settings
from controller.cli.progress import Lines, Screen, Silent, View
from controller.cli.session import (
    DeletedError,
    Session,
    open_local_components,
    run_alongside,
    submit_locally,
)
from controller.cluster.local.program import process_warnings
from controller.core.best import best_trials
from controller.core.experiment import Experiment
from controller.flows.admit import DifferentSpecError, NameTakenError
from controller.store.queries import Queries
from controller.store.queries.trials import TrialRow
from controller.store.warm_start import UnknownEarlierError
from controller.views import words
from controller.views.summary import as_json, front_rows, read_document
from controller.views.warm_start import known_before
from events.facts import ExperimentState
from events.spec.document import ExperimentDocument


class Output(StrEnum):
    TEXT = "text"
    JSON = "json"


def run(
    file: ExperimentFile,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="text, or one JSON document.")
    ] = Output.TEXT,
    seed: Seed = None,
    data: Data = DEFAULT_DATA,
    database: Url = None,
) -> None:
    """Run an experiment, or resume it: the same file again resumes it, a larger maxTrialCount
    extends it.

    Ctrl-C once stops cleanly (the same command resumes it later), twice at once.

    Exit codes: 0 succeeded, 1 failed, 2 bad input, 4 database, 5 other spec, 6 stopped by somebody,
    130 Ctrl-C.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    document = load_experiment(file)
    slots = read_settings(database).local.slots
    for warning in (*document.warnings, *process_warnings(document.spec, slots)):
        print_warning(warning)
    raise typer.Exit(
        asyncio.run(
            _run(document, file.absolute().parent, _view(output), output, seed, data, database)
        )
    )


def _view(output: Output) -> View:
    console = Console()
    if output is Output.JSON:
        return Silent()
    return Screen(console) if console.is_terminal else Lines()


async def _run(
    document: ExperimentDocument,
    origin: Path,
    view: View,
    output: Output,
    seed: int | None,
    data: Path,
    database: str | None,
) -> ExitCode:
    async with open_local_components(data, database) as (components, cluster):
        try:
            admission = await submit_locally(components, document, origin, seed)
        except (DifferentSpecError, NameTakenError) as error:
            raise CommandError(str(error), ExitCode.CONFLICT) from None
        except UnknownEarlierError as error:
            raise CommandError(str(error), ExitCode.INVALID) from None
        experiment = admission.experiment
        session = Session(components, cluster, experiment, admission.shard, view.say)
        if not admission.new:
            view.say(f"resuming {experiment.identity.name}")
        for title, text in known_before(experiment.spec) if admission.new else ():
            view.say(f"{title}: {text.replace(chr(10), '; ')}")
        queries = Queries(components.database)
        await run_alongside(session, view.follow(queries, experiment))
        snapshot = await queries.experiments.find(
            experiment.identity.namespace, experiment.identity.name
        )
        if snapshot is None or snapshot.experiment.identity.id != experiment.identity.id:
            raise DeletedError(experiment.identity.name)
        tree = await read_document(queries, snapshot)
        front = await front_rows(queries, snapshot.experiment, MOST_LISTED_MEMBERS)
    if output is Output.JSON:
        typer.echo(as_json(tree))
    else:
        _tell(snapshot.experiment, tree, front, interrupted=session.interrupts > 0)
    return _exit(snapshot.experiment, session)


def _tell(
    experiment: Experiment, tree: dict[str, Any], front: list[TrialRow], *, interrupted: bool
) -> None:
    name, progress = named(experiment), experiment.progress
    done = words.count(progress.counts.concluded, "trial")
    ending = f": {progress.verdict.message}" if progress.verdict else ""
    typer.echo(f"{experiment.identity.name} {progress.state.value} after {done}{ending}")
    best = tree["best"]
    if best is not None:
        metric = experiment.spec.first_objective.metric
        rank = "latest" if best["value"] is None else "best"
        typer.echo(f"{rank} {metric}={words.value(best['metrics'][metric])} by {best['name']}")
        for key, value in best["assignment"].items():
            typer.echo(f"  {key} = {words.scalar(value)}")
    elif front:
        show_front(experiment, front, f"trialstream trials {name} --front")
    elif progress.infeasible:
        typer.echo(
            "no trial keeps the outcome constraints: "
            f"{words.count(progress.infeasible, 'trial')} missed one"
        )
    elif progress.counts.concluded:
        typer.echo(f"no trial has a value; see why: trialstream why {name} 1")
    if interrupted and not experiment.done:
        typer.echo("interrupted; the same command resumes it")
    else:
        typer.echo(f"more: trialstream show {name}, trialstream report {name}")


def _has_result(experiment: Experiment) -> bool:
    """Is there a best trial or, where no metrics are expected, one that ended well?"""
    if not experiment.spec.metrics_collector_spec.expects_metrics:
        return experiment.progress.counts.succeeded > 0
    return bool(best_trials(experiment.progress))


def _exit(experiment: Experiment, session: Session) -> ExitCode:
    if session.interrupts and not (experiment.done and session.owns):
        return ExitCode.INTERRUPTED
    match experiment.progress.state:
        case ExperimentState.SUCCEEDED if _has_result(experiment):
            return ExitCode.OK
        case ExperimentState.SUCCEEDED:
            return ExitCode.FAILED  # all trials are spent, but none has a value that counts
        case ExperimentState.FAILED:
            return ExitCode.FAILED
        case _:
            return ExitCode.STOPPED
