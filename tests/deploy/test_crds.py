"""The custom resources are generated, and say no to what the controller would refuse."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

import deploy.crds
from controller.cluster.kubernetes.api import Api, open_api
from controller.cluster.kubernetes.api_errors import ApiError
from deploy.crds.__main__ import generated_files
from deploy.crds.definitions import definitions
from events.spec.document import KATIB as KATIB_S
from events.spec.document import OURS
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
    schema = version["schema"]["openAPIV3Schema"]
    ruled = {
        name
        for name in schema["properties"]["spec"]["properties"]
        for one in schema["x-kubernetes-validations"]
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
            refused = path.name == "simple-pbt.yaml"  # by Katib's webhook, too
            said = kubectl("create", "--dry-run=server", "-f", "-", said=tree, check=not refused)
            assert ("spec.maxFailedTrialCount must not be more" in said) == refused
        more = kubectl(
            "create", "-f", "-", said=experiment(room, parallelTrialCount=99), check=False
        )
        assert "spec.parallelTrialCount must not be more than spec.maxTrialCount" in more
        unknown = kubectl("create", "-f", "-", said=experiment(room, parallelTrials=9), check=False)
        assert 'unknown field "spec.parallelTrials"' in unknown
        long = experiment(room)
        long["metadata"]["name"] = "x" * 41
        assert "at most 40 characters" in kubectl("create", "-f", "-", said=long, check=False)


class Server:
    """The experiments of one namespace and version, at the API server."""

    def __init__(self, api: Api, room: str, version: str) -> None:
        self.api, self.room, self.version = api, room, version
        self.place = f"/apis/{version}/namespaces/{room}/experiments"

    async def create(self) -> None:
        await self.api.create(self.place, experiment(self.room, self.version))

    async def refusal(self, tree: Any) -> str:
        """Why it would be refused; nothing if it would not."""
        try:
            await self.api.create(self.place, tree, dryRun="All")
        except ApiError as error:
            return error.message
        return ""

    async def edit(self, spec: Any) -> str:
        try:
            await self.api.patch(f"{self.place}/asked", {"spec": spec})
        except ApiError as error:
            return error.message
        return ""

    async def show(self, state: str, *conditions: tuple[str, str]) -> None:
        held = [{"type": kind, "status": "True", "reason": reason} for kind, reason in conditions]
        status = {"state": state, "conditions": held}
        await self.api.patch(f"{self.place}/asked/status", {"status": status})


@asynccontextmanager
async def server(version: str) -> AsyncGenerator[Server]:
    kubectl("apply", "-k", str(FOLDER))
    with namespace() as room:
        async with open_api() as api:
            yield Server(api, room, version)


BOTH = pytest.mark.parametrize("version", [OURS, KATIB_S])
FIXED = {
    "algorithm": {"algorithmName": "grid"},
    "trialTemplate": {"trialSpec": {"spec": {"backoffLimit": 7}}},
    "objective": {"goal": 0.5},
    "resumePolicy": "LongRunning",
    "parameters": [
        {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}
    ],
}
"""Of each field an edit that Katib refuses."""


@BOTH
async def test_only_the_limits_can_be_edited(version: str) -> None:
    async with server(version) as there:
        await there.create()
        limits = {"maxTrialCount": 99, "parallelTrialCount": 9, "maxFailedTrialCount": 9}
        assert await there.edit(limits) == ""
        added = {"seed": 2**63 - 1} if version == OURS else {}
        for name, value in {**FIXED, **added}.items():
            said = await there.edit({name: value})
            assert f"spec.{name} may not change: editable are spec.parallelTrialCount" in said
        await there.api.patch(f"{there.place}/asked", {"metadata": {"finalizers": []}})


@BOTH
async def test_what_is_over_is_not_edited_and_what_was_refused_is(version: str) -> None:
    async with server(version) as there:
        await there.create()
        await there.show("Refused", ("Failed", "InvalidSpec"))
        assert await there.edit(FIXED) == ""
        await there.show("Succeeded", ("Succeeded", "ExperimentGoalReached"))
        assert "the experiment is over" in await there.edit({"maxTrialCount": 99})
        await there.show("Succeeded", ("Succeeded", "ExperimentMaxTrialsReached"))
        assert await there.edit({"maxTrialCount": 99}) == ""


@BOTH
async def test_nothing_at_once_is_a_pause_of_what_is_there(version: str) -> None:
    async with server(version) as there:
        new = experiment(there.room, version, parallelTrialCount=0)
        assert "parallelTrialCount must be greater than 0" in await there.refusal(new)
        await there.create()
        await there.show("Running")
        assert await there.edit({"parallelTrialCount": 0}) == ""
        await there.show("Paused")
        assert "-1" in await there.edit({"parallelTrialCount": -1})


def changed(*path: str | int, to: object = None) -> Callable[[Any], None]:
    """The field at `path` of a spec gets another value, or none."""

    def change(spec: Any) -> None:
        for step in path[:-1]:
            spec = spec.setdefault(step, {}) if isinstance(spec, dict) else spec[step]
        if to is None:
            del spec[path[-1]]
        else:
            spec[path[-1]] = to

    return change


SPACE = ("parameters", 0, "feasibleSpace")
FILE: dict[str, Any] = {
    "collector": {"kind": "File"}, "source": {"fileSystemPath": {"path": "log", "format": "JSON"}}
}  # fmt: skip
INVALID = {
    "spec.objective": changed("objective"),
    "spec.trialTemplate": changed("trialTemplate"),
    "give parameters to tune": changed("parameters", to=[]),
    "spec.maxFailedTrialCount must not": changed("maxFailedTrialCount", to=13),
    "spec.objective.objectiveMetricName": changed("objective", "objectiveMetricName", to=""),
    "must not repeat the objective": changed("objective", "additionalMetricNames", to=["loss"]),
    "spec.algorithm.algorithmName": changed("algorithm", "algorithmName", to=""),
    "give exactly one of trialSpec and configMap": changed(
        "trialTemplate", "configMap",
        to={"configMapName": "a", "configMapNamespace": "b", "templatePath": "c"},
    ),
    "primaryContainerName is required": changed("trialTemplate", "primaryContainerName"),
    "trialParameters is required": changed("trialTemplate", "trialParameters", to=[]),
    "Duplicate value": changed(
        "trialTemplate", "trialParameters", to=[{"name": "a", "reference": "lr"}] * 2
    ),
    "successCondition is required for this kind": changed(
        "trialTemplate", "trialSpec", "kind", to="Workflow"
    ),
    "trialSpec.apiVersion": changed("trialTemplate", "trialSpec", "apiVersion", to=""),
    "trialSpec.kind": changed("trialTemplate", "trialSpec", "kind", to=""),
    "each trial gets its own": changed("trialTemplate", "trialSpec", "metadata", "name", to="x"),
    "trialSpec.metadata": changed("trialTemplate", "trialSpec", "metadata", to="x"),
    "path must be absolute": changed("metricsCollectorSpec", to=FILE),
    "cannot be used with format JSON": changed(
        "metricsCollectorSpec",
        to={**FILE, "source": {**FILE["source"], "filter": {"metricsFormat": []}}},
    ),
}  # fmt: skip
"""What the answer says, and what is wrong."""
IN_KATIB_S_GROUP = {
    **INVALID,
    "spec.algorithm": changed("algorithm"),
    "not given, it is 3": lambda spec: spec.update(parallelTrialCount=None, maxTrialCount=2),
    "must be of type string": changed(*SPACE, "min", to=0.1),
    "feasibleSpace.max: Invalid value": changed(*SPACE, "max", to="much"),
    "min is greater than max": changed(*SPACE, "min", to="9"),
    "step must be greater than 0": changed(*SPACE, "step", to="0.0"),
    "min must be greater than 0": lambda spec: spec["parameters"][0]["feasibleSpace"].update(
        min="0", distribution="logUniform"
    ),
    "min and max are needed": changed(*SPACE, "max"),
    "list is needed": changed("parameters", 0, "parameterType", to="discrete"),
    "min, max and step are for": lambda spec: spec["parameters"][0].update(
        parameterType="categorical", feasibleSpace={"list": ["a"], "min": "1"}
    ),
}


async def test_the_largest_seed_is_taken() -> None:
    async with server(OURS) as there:
        tree = experiment(there.room, seed=2**63 - 1)
        assert await there.refusal(tree) == ""


@BOTH
async def test_an_invalid_file_is_refused_by_the_server(version: str) -> None:
    async with server(version) as there:
        cases = INVALID if version == OURS else IN_KATIB_S_GROUP
        for words, change in cases.items():
            tree = experiment(there.room, version)
            assert await there.refusal(tree) == ""
            change(tree["spec"])
            assert words in await there.refusal(tree)


def test_katib_s_experiments_are_in_katib_s_categories() -> None:
    names = definitions()["experiments.kubeflow.org.yaml"]["spec"]["names"]
    assert {"all", "kubeflow", "katib"} <= set(names["categories"])
