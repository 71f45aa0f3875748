"""Whatever stands in an experiment file, `check` says that it is valid and what it would do, or
names each problem with its place; it takes no long time and never fails."""

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from controller.cli.commands.check import Place, check
from controller.cli.exits import ExitCode
from controller.cli.options import ListOutput
from events.errors import RefusalError
from events.signals import ExperimentSubmitted
from events.spec.head import KATIB, OURS
from events.spec.yaml import MAX_BYTES
from tests.experiments import experiment_tree
from tests.fuzz.generator import TEXTS, Generator, schema_of
from tests.fuzz.within import ask, may_refuse
from tests.tiers import LONG

COUNT = 250_000 if LONG else 1_600
WORDS = (
    *TEXTS,
    "${trialParameters.learningRate}", "${trialParameters.x}", "--x=${trialParameters.x}",
    "${trialSpec.Name}", "${trialSpec.Labels[a]}", "${trialSpec.Annotations[a]}", "${trialSpec.",
    "random", "tpe", "grid", "hyperband", "gp", "auto", "cmaes", "nevergrad", "sobol", "medianstop",
    "keras", "tqdm",
    "double", "int", "categorical", "discrete", "minimize", "maximize", "logUniform", "logNormal",
    "x + 2*x <= 0.9", "1/x < 1", "1e308*1e308*x <= 1", "((((((((x))))))))<1", "lr - momentum <= 0",
    "loss <= 1e999", "loss >= 0", "accuracy <= 0.5", "0x10", "1_000", "1e-320", "-0", "1e308",
    "([\\w|-]+)\\s*=\\s*(\\d+)", "((a{1000}){1000})", "(", "()()", "(?P<a>x)(?P<a>y)", "(.*)(.*)",
    "StdOut", "File", "TensorFlowEvent", "PrometheusMetric", "Custom", "None", "/var/log/m", "TEXT",
    "Job", "PyTorchJob", "TFJob", "Workflow", "TrainJob", "batch/v1", "kubeflow.org/v1", "v1",
    "main", "training-container", KATIB, OURS, "Experiment", "status.conditions.#(type==\"A\")#",
    "[@this,@this]|@tostr", "@dig:@dig:a", "200Mi", "1e9Gi", "-1", ".5.5", "9" * 400,
)  # fmt: skip
SYNTAX = (
    "a: ", "- ", "? ", ": ", "\n", "\n  ", "\n    ", "{", "}", "[", "]", ", ", "&a ", "*a", "<<: ",
    "!!int ", "!!float ", "!!str ", "!!binary ", "!x ", "!!merge ", "!!null ", "|\n", ">-\n", "'",
    '"', "#", "%YAML 1.1\n", "---\n", "...\n", "0x", "0b_", "0x_", ".inf", "1e", "1_", "~", "=",
    "null", "true", "\t", "\r", "\x85", "\ufeff", "\\u0000", '"\\ud800"', '"\\x00"', "@", "`",
    "spec:", "apiVersion: ", "metadata: ", "name: e", "x",
)  # fmt: skip
PLACED = re.compile(r"line \d+[:,] |the document |apiVersion: |kind: |metadata\.|spec\b")
"""How the words about a problem begin: with its place, or they are about the whole file."""


@cache
def samples() -> list[tuple[bytes, Any]]:
    """Katib's examples and ours, as they stand and parsed."""
    files = [*Path("tests/katib").glob("*.yaml"), *Path("examples").glob("*.yaml")]
    texts = [one.read_bytes() for one in sorted(files)]
    trees = [yaml.load(text, Loader=yaml.CSafeLoader) for text in texts]
    ours = experiment_tree("tune")
    return [*zip(texts, trees, strict=True), (json.dumps(ours).encode(), ours)]


def file_of(make: Generator) -> bytes:
    """A good file with something changed, one by the schema, or hardly one."""
    chance = make.chance
    text, tree = chance.choice(samples())
    (kind,) = chance.choices(("changed", "damaged", "schema", "syntax", "alias"), (12, 4, 2, 2, 1))
    match kind:
        case "changed":
            return written(make, make.changed(tree))
        case "damaged":
            return make.damaged(text)
        case "schema":
            root = schema_of(ExperimentSubmitted)
            spec = make.of(root["properties"]["spec"], root)
            head = {"apiVersion": chance.choice((KATIB, OURS)), "kind": "Experiment"}
            return written(make, {**head, "metadata": {"name": "e"}, "spec": spec})
        case "alias":
            return aliases(make)
        case _:
            pieces = (chance.choice(SYNTAX) for _ in range(chance.choice((1, 5, 20, 80))))
            return "".join(pieces).encode(errors="replace")


def written(make: Generator, tree: Any) -> bytes:
    """As JSON, which is YAML, or in blocks."""
    plain = json.dumps(tree)
    if make.chance.random() < 0.9 or "\\u" in plain:
        return plain.encode()
    return yaml.dump(tree, Dumper=yaml.CSafeDumper).encode(errors="replace")


def aliases(make: Generator) -> bytes:
    """A file with a large value in its template, and many aliases of it or of each other."""
    size, many = make.chance.choice((10, 1_000, 100_000)), make.chance.choice((2, 99, 999, 30_000))
    uses = make.chance.choice(("[{}]", "{{<<: [{}]}}", "&b [{}], c: [*b, *b, *b]"))
    used = uses.format(", ".join(["*a"] * many))
    text = json.dumps(experiment_tree("tune", trialTemplate={"trialSpec": "HERE"}))
    value = make.chance.choice(('"%s"', '{"%s": 1}')) % ("x" * size)
    return text.replace('"HERE"', f"{{a: &a {value}, b: {used}}}").encode()[:MAX_BYTES]


def examine(make: Generator, file: Path) -> None:
    file.write_bytes(file_of(make))
    said = io.StringIO()
    output = make.chance.choice((ListOutput.JSON, ListOutput.JSON, ListOutput.TABLE))
    with redirect_stdout(said), redirect_stderr(said), may_refuse(RefusalError):
        try:
            check(file, make.chance.choice(list(Place)), output)
        except typer.Exit as error:
            if error.exit_code != ExitCode.INVALID:
                raise
    if output is ListOutput.JSON and said.getvalue():
        found = json.loads(said.getvalue())
        assert found["valid"] or found["problems"]
        assert all(map(PLACED.match, found["problems"])), found["problems"]


def test_any_file_is_valid_or_its_problems_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    file = tmp_path / "tune.yaml"
    ask(COUNT, lambda make: examine(make, file), *WORDS)
