"""What a template means on one machine."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller.cluster import Launch
from controller.cluster.local.program import (
    ProcessError,
    parse_quantity,
    process_problems,
    render_process,
)
from events.spec.collector import REPORT_FILE
from events.spec.experiment import ExperimentSpec

Make = Callable[..., Launch]
METRICS = Path("/data/attempt/metrics/mnist.json")


def job(container: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """The template of a Job with a sidecar before the `main` container."""
    containers = [{"name": "sidecar", "command": ["no"]}, {"name": "main", **container}]
    tree = {"kind": "Job", "spec": {**spec, "template": {"spec": {"containers": containers}}}}
    return {
        "primaryContainerName": "main",
        "trialSpec": tree,
        "trialParameters": [{"name": "rate", "reference": "lr"}],
    }


def test_command_arguments_and_environment_of_the_primary_container(launch: Make) -> None:
    env = [
        {"name": "A", "value": "x"},
        {"name": "B"},
        {"name": "C", "valueFrom": {"secretKeyRef": {}}},
    ]
    container = {
        "command": ["python", "train.py"],
        "args": ["--lr=${trialParameters.rate}", 3, True],
        "env": env,
    }
    one = launch(1, template=job(container), assignment={"lr": 1e-05}, origin="/home/me")
    ran = render_process(one, METRICS)
    assert ran.argv == ("python", "train.py", "--lr=1e-05", "3", "true")
    assert ran.env == {
        "A": "x",
        "B": "",
        "TRIALSTREAM_TRIAL": "exp-1",
        "TRIALSTREAM_ATTEMPT": "1",
        "TRIALSTREAM_PARAMETERS": '{"lr": 1e-05}',
        "TRIALSTREAM_METRICS_FILE": str(METRICS),
        "KATIB_TRIAL_NAME": "exp-1",
        "MLFLOW_RUN_CONTEXT": json.dumps(
            {
                "trialstream.trial": "exp-1",
                "trialstream.attempt": f"{one.key.experiment}/1/1",
            }
        ),
    }
    assert (ran.cwd, ran.timeout, ran.memory) == ("/home/me", None, None)


def test_the_program_of_a_trial_that_pushes_knows_its_file(launch: Make) -> None:
    pushing = launch(1, "train", metricsCollectorSpec={"collector": {"kind": "Push"}})
    assert REPORT_FILE not in render_process(launch(1, "train"), METRICS).env
    assert render_process(pushing, METRICS).env[REPORT_FILE] == str(METRICS)


def test_the_short_command(launch: Make) -> None:
    wanted = launch(
        1,
        "python",
        "$(x)",
        "${trialParameters.lr}",
        assignment={"lr": 0.1},
        template={"timeoutSeconds": 5},
    )
    ran = render_process(wanted, METRICS)
    assert ran.argv == ("python", "$(x)", "0.1")
    assert ran.timeout == 5


CONDITIONAL = [
    {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["sgd", "adam"]}},
    {
        "name": "momentum",
        "parameterType": "double",
        "feasibleSpace": {"min": 0, "max": 1},
        "condition": {"parameter": "kind", "equals": "sgd"},
    },
]


def test_what_stands_for_a_parameter_that_does_not_exist_is_left_out(launch: Make) -> None:
    words = [
        "train",
        "--kind=${trialParameters.kind}",
        "--momentum",
        "${trialParameters.momentum}",
        "-v",
    ]
    absent = launch(1, *words, parameters=CONDITIONAL, assignment={"kind": "adam"})
    assert render_process(absent, METRICS).argv == ("train", "--kind=adam", "-v")
    assert render_process(absent, METRICS).env["TRIALSTREAM_PARAMETERS"] == '{"kind": "adam"}'
    there = launch(1, *words, parameters=CONDITIONAL, assignment={"kind": "sgd", "momentum": 0.5})
    assert render_process(there, METRICS).argv == ("train", "--kind=sgd", "--momentum", "0.5", "-v")


def test_so_is_its_variable_in_a_manifest(launch: Make) -> None:
    env = [
        {"name": "KIND", "value": "${trialParameters.k}"},
        {"name": "MOMENTUM", "value": "${trialParameters.m}"},
    ]
    template = job({"command": ["train"], "args": ["--m=${trialParameters.m}"], "env": env})
    template["trialParameters"] = [
        {"name": "k", "reference": "kind"},
        {"name": "m", "reference": "momentum"},
    ]
    ran = render_process(
        launch(1, template=template, parameters=CONDITIONAL, assignment={"kind": "adam"}), METRICS
    )
    assert ran.argv == ("train",)
    assert ran.env["KIND"] == "adam"
    assert "MOMENTUM" not in ran.env


def test_references_to_variables_as_in_kubernetes(launch: Make) -> None:
    container = {
        "command": ["sh", "-c", "echo $(A) $(KATIB_TRIAL_NAME) $(date) $$(A) $$$$"],
        "env": [{"name": "A", "value": "x"}],
    }
    assert (
        render_process(launch(1, template=job(container)), METRICS).argv[2]
        == "echo x exp-1 $(date) $(A) $$"
    )


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("/katib/mnist.json", str(METRICS)),
        ("--out=/katib/mnist.json", f"--out={METRICS}"),
        (
            "echo 1 > /katib/mnist.json; cat '/katib/mnist.json'.",
            f"echo 1 > {METRICS}; cat '{METRICS}'.",
        ),
        ("/mnt/katib/mnist.json", "/mnt/katib/mnist.json"),
        ("/katib/mnist.json.bak", "/katib/mnist.json.bak"),
        ("/katib/mnist.jsonl", "/katib/mnist.jsonl"),
    ],
)
def test_the_metrics_file_is_the_attempts_own(launch: Make, word: str, expected: str) -> None:
    collector = {
        "collector": {"kind": "File"},
        "source": {"fileSystemPath": {"path": "/katib/mnist.json"}},
    }
    template = job({"command": ["run", word], "env": [{"name": "OUT", "value": word}]})
    ran = render_process(launch(1, template=template, metricsCollectorSpec=collector), METRICS)
    assert (ran.argv[1], ran.env["OUT"]) == (expected, expected)


def test_the_shortest_limit_counts(launch: Make) -> None:
    template = job(
        {"command": ["run"], "resources": {"limits": {"memory": "1Gi"}}}, activeDeadlineSeconds=30
    )
    ran = render_process(launch(1, template={**template, "timeoutSeconds": 60}), METRICS)
    assert (ran.timeout, ran.memory) == (30, 2**30)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512Mi", 2**29),
        ("1.5G", 1_500_000_000),
        ("1e3", 1000),
        (128, 128),
        ("1Ki", 1024),
        ("100m", 1),
        ("12k", 12_000),
        ("2E", 2 * 10**18),
    ],
)
def test_quantities(text: object, size: int) -> None:
    assert parse_quantity(text) == size


@pytest.mark.parametrize("text", ["", "Mi", "1 Gi", "1GB", "1..2", "-1", True, None, "1e999"])
def test_no_quantities(text: object) -> None:
    with pytest.raises(ProcessError, match="write 512Mi or 2G"):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"args": ["--lr"]}, "locally its image is ignored"),
        ({"command": "python train.py"}, "must be a list of words"),
        ({"command": ["python", None]}, "must be a list of words"),
        ({"command": ["run"], "env": {"A": "x"}}, "env must be a list"),
        ({"command": ["run"], "env": [{"name": "A", "value": {}}]}, "must be a list of words"),
        ({"command": ["run"], "resources": {"limits": {"memory": "much"}}}, "is not a quantity"),
    ],
)
def test_what_cannot_run_is_told_before_and_at_the_start(
    launch: Make, container: dict[str, Any], message: str
) -> None:
    wanted = launch(1, template=job(container))
    with pytest.raises(ProcessError, match=message):
        render_process(wanted, METRICS)
    (problem,) = process_problems(wanted.spec)
    assert problem.path == ("spec", "trialTemplate", "trialSpec")
    assert message in problem.message


def test_the_primary_container_must_be_there(launch: Make) -> None:
    template = {**job({"command": ["run"]}), "primaryContainerName": "other"}
    (problem,) = process_problems(launch(1, template=template).spec)
    assert "there are: sidecar, main" in problem.message


def test_no_problem_where_limits_are_placeholders(launch: Make) -> None:
    template = job(
        {"command": ["run"], "resources": {"limits": {"memory": "${trialParameters.rate}"}}}
    )
    assert list(process_problems(launch(1, template=template).spec)) == []
    assert (
        render_process(launch(1, template=template, assignment={"lr": "1Ki"}), METRICS).memory
        == 1024
    )


def test_templates_from_config_maps_are_for_kubernetes() -> None:
    source = {"configMapName": "a", "configMapNamespace": "b", "templatePath": "c"}
    spec = ExperimentSpec.model_validate({"trialTemplate": {"configMap": source}})
    (problem,) = process_problems(spec)
    assert "works on Kubernetes only" in problem.message
