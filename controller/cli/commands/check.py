"""`check`: whether an experiment file is valid, and what running it would do."""

import json
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
import yaml

from controller.app.components import kubernetes_problems, policy_of
from controller.cli.errors import CommandError, print_error, print_warning
from controller.cli.exits import ExitCode
from controller.cli.experiment_file import load_experiment
from controller.cli.options import ExperimentFile, ListFormat, ListOutput, read_settings
from controller.cli.tables import heading, pairs, table
from controller.cluster import AttemptKey, Launch
from controller.cluster.kubernetes.manifests import ManifestError, manifest, workload_warnings
from controller.cluster.kubernetes.sidecar import Sidecar
from controller.cluster.local.program import Process, process_warnings, render_process
from controller.views import words
from controller.views.plan import (
    PARAMETER_TITLES,
    algorithm_plan,
    example_point,
    parameter_rows,
    plan,
)
from controller.views.summary import as_json
from events.ids import ExperimentId, Shard, TrialNumber, trial_name
from events.spec.document import ExperimentDocument
from events.spec.yaml import DocumentError

NOWHERE = ExperimentId(UUID(int=0))
METRICS = Path("metrics.log")


class Place(StrEnum):
    """Where trials would run."""

    LOCAL = "local"
    KUBERNETES = "kubernetes"


@dataclass(frozen=True, slots=True)
class Example:
    """What a trial in the middle of the search space would be; `timeout` is in seconds."""

    where: str
    facts: list[tuple[str, str]]
    tree: dict[str, Any]
    timeout: float | None = None
    warnings: tuple[str, ...] = ()


def check(
    file: ExperimentFile,
    cluster: Annotated[
        Place, typer.Option("--cluster", help="Where the trials are to run.")
    ] = Place.LOCAL,
    output: ListFormat = ListOutput.TABLE,
) -> None:
    """Check an experiment file and show what it would do; nothing is started."""
    try:
        if cluster is Place.KUBERNETES:
            document, example = _on_kubernetes(file)
        else:
            document = load_experiment(file)
            example = _on_this_machine(document, file.absolute().parent)
        document = replace(document, warnings=(*document.warnings, *example.warnings))
    except DocumentError as error:
        _refuse(file, error, output)
        raise typer.Exit(ExitCode.INVALID) from None
    if output is ListOutput.JSON:
        typer.echo(as_json(_tree(document, example)))
        return
    _print(document, example)
    for warning in document.warnings:
        print_warning(warning)
    command = "kubectl apply -f" if cluster is Place.KUBERNETES else "trialstream run"
    typer.secho(
        f"\n{file} is valid. Run it: {command} {shlex.quote(str(file))}", fg=typer.colors.GREEN
    )


def example_trial(document: ExperimentDocument, origin: Path) -> Process:
    """The program of a trial in the middle of the search space. Raises TemplateError."""
    return render_process(replace(_launch(document), origin=str(origin)), METRICS)


def _launch(document: ExperimentDocument) -> Launch:
    key, point = AttemptKey(NOWHERE, TrialNumber(1), 1), example_point(document.spec)
    return Launch(key, document.name, document.namespace, document.spec, point)


def _on_this_machine(document: ExperimentDocument, origin: Path) -> Example:
    """Raises TemplateError."""
    process = example_trial(document, origin)
    where = f"as processes on this machine ({os.cpu_count()} processors), in {process.cwd}"
    tree = {
        "command": list(process.argv),
        "environment": dict(process.env),
        "folder": process.cwd,
    }
    facts = list(_process_facts(document, process))
    warnings = process_warnings(document.spec, read_settings().local.slots)
    return Example(where, facts, tree, process.timeout, tuple(warnings))


def _on_kubernetes(file: Path) -> tuple[ExperimentDocument, Example]:
    """Raises DocumentError, TemplateError, and ManifestError as CommandError."""
    settings = read_settings().kubernetes
    policy = policy_of(settings)
    document = load_experiment(file, lambda spec: kubernetes_problems(spec, policy))
    if document.spec.trial_template.trial_spec is None:
        facts = [("Template", "in a ConfigMap, which only the cluster can read")]
        return document, Example("as workloads of Kubernetes", facts, {})
    sidecar = Sidecar(image=settings.collector_image, environment={})
    try:
        workload = manifest(replace(_launch(document), shard=Shard(0)), sidecar, policy)
    except ManifestError as error:
        raise CommandError(f"{file}: {error}", ExitCode.INVALID) from None
    facts = [("Workload", _yaml(workload))]
    where = f"as workloads of Kubernetes, each a {workload.get('kind')}"
    warnings = tuple(workload_warnings(document.spec, workload))
    return document, Example(where, facts, {"workload": workload}, warnings=warnings)


def _yaml(workload: dict[str, Any]) -> str:
    """Each part written out, also where it occurs twice."""
    text: str = yaml.safe_dump(json.loads(json.dumps(workload)), sort_keys=False, width=10_000)
    return text.rstrip()


def _refuse(file: Path, error: DocumentError, output: ListOutput) -> None:
    found = str(error).split("\n")
    if output is ListOutput.JSON:
        typer.echo(as_json({"valid": False, "problems": found, "warnings": []}))
        return
    count = words.count(len(found), "problem")
    print_error(f"{file} has {count}:\n" + "\n".join(f"  {words.clean(line)}" for line in found))


def _print(document: ExperimentDocument, example: Example) -> None:
    pairs([*plan(document, example.timeout), ("Runs", example.where)])
    heading("Parameters")
    shown = len(PARAMETER_TITLES) if any(one.condition for one in document.spec.parameters) else -1
    rows = [row[:shown] for row in parameter_rows(document.spec)]
    table(PARAMETER_TITLES[:shown], rows, ("from", "to", "values"))
    heading("A trial would run such as")
    pairs(example.facts)


def _process_facts(document: ExperimentDocument, example: Process) -> Iterator[tuple[str, str]]:
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


def _tree(document: ExperimentDocument, example: Example) -> dict[str, Any]:
    return {
        "valid": True,
        "problems": [],
        "warnings": list(document.warnings),
        "name": document.name,
        "namespace": document.namespace,
        "algorithm": algorithm_plan(document.spec),
        "example": example.tree,
        "spec": document.spec.model_dump(mode="json", by_alias=True, exclude_none=True),
    }
