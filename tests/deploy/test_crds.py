"""The custom resources are generated, and say no to what the controller would refuse."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import deploy.crds
from deploy.crds.__main__ import generated_files
from deploy.crds.definitions import definitions
from tests.kubernetes import kubectl, namespace

FOLDER = Path(deploy.crds.__file__).parent
KATIB = Path(__file__).parents[1] / "katib"


@pytest.mark.parametrize("name", sorted(generated_files()))
def test_generated_files_are_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text() == generated_files()[name], "run: make docs"


def test_no_rule_names_a_field_of_which_the_server_knows_no_type() -> None:
    (version,) = yaml.safe_load(generated_files()["experiments.trialstream.io.yaml"])["spec"][
        "versions"
    ]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    ruled = {
        name
        for name in spec["properties"]
        for one in spec["x-kubernetes-validations"]
        if f".{name})" in one["rule"]
    }
    assert {"seed", "parameters", "constraints", "warmStart"} <= ruled
    assert (
        "suggested" not in ruled
    )  # its values are words, numbers or truth values; the controller refuses its edits


def experiment(
    namespace: str, version: str = "trialstream.io/v1alpha1", **spec: Any
) -> dict[str, Any]:
    tree: dict[str, Any] = yaml.safe_load((KATIB / "random.yaml").read_text())
    tree["spec"] |= spec
    return {**tree, "apiVersion": version, "metadata": {"name": "asked", "namespace": namespace}}


def test_the_server_takes_all_of_katibs_examples_and_refuses_what_cannot_be(tmp_path: Path) -> None:
    kubectl("apply", "-k", str(FOLDER))
    with namespace() as room:
        for path in sorted(KATIB.glob("*.yaml")):
            tree = yaml.safe_load(path.read_text())
            tree["metadata"] |= {"namespace": room}
            kubectl("create", "--dry-run=server", "-f", "-", said=tree)
        more = kubectl(
            "create", "-f", "-", said=experiment(room, parallelTrialCount=99), check=False
        )
        assert "spec.parallelTrialCount must not be more than spec.maxTrialCount" in more
        unknown = kubectl("create", "-f", "-", said=experiment(room, parallelTrials=9), check=False)
        assert 'unknown field "spec.parallelTrials"' in unknown
        long = experiment(room)
        long["metadata"]["name"] = "x" * 41
        assert "at most 40 characters" in kubectl("create", "-f", "-", said=long, check=False)


def test_only_the_limits_can_be_edited() -> None:
    kubectl("apply", "-k", str(FOLDER))
    with namespace() as room:
        kubectl("create", "-f", "-", said=experiment(room))
        place = ("-n", room, "experiments.trialstream.io", "asked", "--type", "merge", "-p")
        kubectl(
            "patch",
            *place,
            '{"spec": {"maxTrialCount": 99, "parallelTrialCount": 9, "maxFailedTrialCount": 9}}',
        )
        for field in (
            '"algorithm": {"algorithmName": "grid"}',
            '"trialTemplate": {"trialSpec": {"kind": "X"}}',
            '"seed": 1',
        ):
            said = kubectl("patch", *place, f'{{"spec": {{{field}}}}}', check=False)
            assert "may not change: editable are spec.parallelTrialCount" in said
        kubectl("patch", *place, '{"metadata": {"finalizers": []}}')


def test_katib_s_experiments_are_in_katib_s_categories() -> None:
    names = definitions()["experiments.kubeflow.org.yaml"]["spec"]["names"]
    assert {"all", "kubeflow", "katib"} <= set(names["categories"])
