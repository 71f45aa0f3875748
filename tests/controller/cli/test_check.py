"""`check` says what is wrong with a file for the place where it is to run."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from controller.cli import app
from controller.cli.exits import ExitCode
from tests.experiments import experiment_text

KATIB = Path("tests/katib/random.yaml")


def check(file: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["check", str(file), *words], catch_exceptions=False)


def job(container: dict[str, Any], **pod: Any) -> dict[str, Any]:
    """A template that runs one container with these fields, in a pod with those."""
    command = ["train", "${trialParameters.x}"]
    main = {"name": "main", "image": "i", "command": command, **container}
    spec = {"containers": [main], "restartPolicy": "Never", **pod}
    return {
        "primaryContainerName": "main",
        "trialParameters": [{"name": "x", "reference": "x"}],
        "trialSpec": {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "spec": {"template": {"spec": spec}},
        },
    }


def test_a_file_for_kubernetes_is_shown_as_its_workload() -> None:
    shown = check(KATIB, "--cluster", "kubernetes")
    assert shown.exit_code == ExitCode.OK, shown.output
    assert "kind: Job" in shown.output
    assert "- --lr=0.03" in shown.output
    assert f"kubectl apply -f {KATIB}" in shown.output
    tree = json.loads(check(KATIB, "--cluster", "kubernetes", "-o", "json").output)
    assert tree["example"]["workload"]["metadata"]["namespace"] == "kubeflow"


def test_what_runs_on_one_machine_only_is_refused_for_kubernetes(tmp_path: Path) -> None:
    file = tmp_path / "tune.yaml"
    file.write_text(experiment_text())
    assert check(file).exit_code == ExitCode.OK
    refused = check(file, "--cluster", "kubernetes")
    assert refused.exit_code == ExitCode.INVALID
    assert "runs on one machine only" in refused.output


def test_fields_that_the_settings_do_not_allow_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tune.yaml"
    file.write_text(experiment_text(trialTemplate=job({}, hostPID=True)))
    assert "hostPID" in check(file, "--cluster", "kubernetes").output
    settings = tmp_path / "settings.toml"
    settings.write_text("[kubernetes]\nallow_host_namespaces = true\n")
    monkeypatch.setenv("TRIALSTREAM_SETTINGS", str(settings))
    assert check(file, "--cluster", "kubernetes").exit_code == ExitCode.OK


def test_what_has_no_meaning_on_one_machine_is_said_there(tmp_path: Path) -> None:
    container = {
        "workingDir": "/opt/train",
        "envFrom": [{"secretRef": {"name": "token"}}],
        "env": [
            {"name": "PLAIN", "value": "1"},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "it"}}},
        ],
    }
    file = tmp_path / "tune.yaml"
    file.write_text(experiment_text(trialTemplate=job(container)))
    (one, two, three) = json.loads(check(file, "-o", "json").output)["warnings"]
    assert "workingDir '/opt/train'" in one
    assert "envFrom is ignored" in two
    assert three.endswith("does not set: TOKEN")
    assert json.loads(check(file, "--cluster", "kubernetes", "-o", "json").output)["warnings"] == []


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("tfjob-mnist-with-summaries", "of the 2 Worker pods of a trial the first alone reports"),
        ("pytorchjob-mnist", None),
        ("trainjob-pytorch", None),
        ("random", None),
    ],
)
def test_that_of_several_equal_pods_one_reports_is_said(file: str, said: str | None) -> None:
    shown = check(KATIB.parent / f"{file}.yaml", "--cluster", "kubernetes", "-o", "json")
    found = [one for one in json.loads(shown.output)["warnings"] if "alone reports" in one]
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


@pytest.mark.parametrize(("kind", "count"), [("StdOut", 1), ("Push", 1), ("None", 0)])
def test_that_the_pods_of_a_job_are_numbered_is_said(tmp_path: Path, kind: str, count: int) -> None:
    template = job({})
    file = tmp_path / "tune.yaml"
    for completions in (1, 3):
        template["trialSpec"]["spec"]["completions"] = completions
        collector = {"collector": {"kind": kind}}
        file.write_text(experiment_text(trialTemplate=template, metricsCollectorSpec=collector))
        shown = check(file, "--cluster", "kubernetes", "-o", "json").output
        found = [one for one in json.loads(shown)["warnings"] if "alone reports" in one]
        assert len(found) == (count if completions > 1 else 0)
        if found:
            assert found[0].startswith("of the 3 pods of a trial the first alone reports")
            assert "completionMode: Indexed" in found[0]


def test_more_trials_at_a_time_than_the_machine_runs_are_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("[local]\nslots = 2\n")
    monkeypatch.setenv("TRIALSTREAM_SETTINGS", str(settings))
    file = tmp_path / "tune.yaml"
    file.write_text(experiment_text(parallelTrialCount=2))
    assert json.loads(check(file, "-o", "json").output)["warnings"] == []
    file.write_text(experiment_text(parallelTrialCount=3, maxTrialCount=5))
    (one,) = json.loads(check(file, "-o", "json").output)["warnings"]
    assert one.startswith("spec.parallelTrialCount is 3, but this machine runs 2 trials at once")
