"""`check`: whether an experiment file is valid, and what running it would do."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import typer

from controller.cli.errors import print_error, print_warning
from controller.cli.exits import ExitCode
from controller.cli.experiment_file import load_experiment
from controller.cli.options import ExperimentFile, ListFormat, ListOutput
from controller.cli.tables import heading, pairs, table
from controller.cluster import AttemptKey, Launch
from controller.cluster.local.program import Process, render_process
from controller.views import words
from controller.views.plan import (
    PARAMETER_TITLES,
    algorithm_plan,
    example_point,
    parameter_rows,
    plan,
)
from controller.views.summary import as_json
from events.ids import ExperimentId, TrialNumber, trial_name
from events.spec.document import ExperimentDocument
from events.spec.yaml import DocumentError

NOWHERE = ExperimentId(UUID(int=0))
METRICS = Path("metrics.log")


def check(file: ExperimentFile, output: ListFormat = ListOutput.TABLE) -> None:
    """Check an experiment file and show what it would do; nothing is started."""
    try:
        document = load_experiment(file)
        example = example_trial(document, file.absolute().parent)
    except DocumentError as error:
        _refuse(file, error, output)
        raise typer.Exit(ExitCode.INVALID) from None
    if output is ListOutput.JSON:
        typer.echo(as_json(_tree(document, example)))
        return
    _print(document, example)
    for warning in document.warnings:
        print_warning(warning)
    typer.secho(
        f"\n{file} is valid. Run it: trialstream run {shlex.quote(str(file))}",
        fg=typer.colors.GREEN,
    )


def example_trial(document: ExperimentDocument, origin: Path) -> Process:
    """The program of a trial in the middle of the search space. Raises TemplateError."""
    key = AttemptKey(NOWHERE, TrialNumber(1), 1)
    launch = Launch(
        key,
        document.name,
        document.namespace,
        document.spec,
        example_point(document.spec),
        str(origin),
    )
    return render_process(launch, METRICS)


def _refuse(file: Path, error: DocumentError, output: ListOutput) -> None:
    found = str(error).split("\n")
    if output is ListOutput.JSON:
        typer.echo(as_json({"valid": False, "problems": found, "warnings": []}))
        return
    count = words.count(len(found), "problem")
    print_error(f"{file} has {count}:\n" + "\n".join(f"  {words.clean(line)}" for line in found))


def _print(document: ExperimentDocument, example: Process) -> None:
    here = f"as processes on this machine ({os.cpu_count()} processors), in {example.cwd}"
    pairs([*plan(document, example.timeout), ("Runs", here)])
    heading("Parameters")
    shown = len(PARAMETER_TITLES) if any(one.condition for one in document.spec.parameters) else -1
    rows = [row[:shown] for row in parameter_rows(document.spec)]
    table(PARAMETER_TITLES[:shown], rows, ("from", "to", "values"))
    heading("A trial would run such as")
    pairs(_example(document, example))


def _example(document: ExperimentDocument, example: Process) -> Iterator[tuple[str, str]]:
    yield "Trial", trial_name(document.name, TrialNumber(1))
    yield "Command", shlex.join(example.argv)
    own = {
        name: value
        for name, value in example.env.items()
        if not name.startswith(("TRIALSTREAM_", "KATIB_"))
    }
    if own:
        yield "Environment", "\n".join(f"{name}={value}" for name, value in own.items())
    if example.memory is not None:
        yield "Memory", f"at most {example.memory / 2**20:,.0f} MiB"


def _tree(document: ExperimentDocument, example: Process) -> dict[str, Any]:
    return {
        "valid": True,
        "problems": [],
        "warnings": list(document.warnings),
        "name": document.name,
        "namespace": document.namespace,
        "algorithm": algorithm_plan(document.spec),
        "example": {
            "command": list(example.argv),
            "environment": dict(example.env),
            "folder": example.cwd,
        },
        "spec": document.spec.model_dump(mode="json", by_alias=True, exclude_none=True),
    }
