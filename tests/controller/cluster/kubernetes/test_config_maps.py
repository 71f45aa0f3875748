"""Templates in ConfigMaps, and what an API server says before an experiment is admitted; no node is
needed."""

import asyncio
import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import yaml

from controller.app.kubernetes import check_for
from controller.cluster import Ended
from controller.cluster.kubernetes.api import open_api
from controller.cluster.kubernetes.cluster import WorkloadSettings
from controller.cluster.kubernetes.configmaps import MissingConfigMapError, with_template
from controller.cluster.kubernetes.sidecar import Sidecar
from controller.flows.admit import InvalidSpecError
from events.bus.kafka import KafkaSettings
from events.spec.document import load_tree
from events.spec.experiment import ExperimentSpec
from tests.controller.cluster.identity import identity
from tests.controller.cluster.kubernetes.stage import Stage, job, stage
from tests.experiments import experiment_tree
from tests.kubernetes import kubectl, objects

NOWHERE = KafkaSettings("127.0.0.1:1")
LR = "${trialParameters.lr}"
REPLICAS: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "ReplicaSet",
    "spec": {
        "selector": {"matchLabels": {"is": "here"}},
        "template": {
            "metadata": {"labels": {"is": "here"}},
            "spec": {"containers": [{"name": "main", "image": "i", "args": [LR]}]},
        },
    },
}
RULES: dict[str, Any] = {"successCondition": "status.never", "failureCondition": "status.never"}
REFERS = [{"name": "lr", "reference": "lr"}]


def config_map(room: str, name: str, **texts: str) -> None:
    kept = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": texts}
    kubectl("create", "-n", room, "-f", "-", said=kept)


def source(room: str, name: str = "templates", path: str = "it") -> dict[str, str]:
    return {"configMapName": name, "configMapNamespace": room, "templatePath": path}


@pytest.mark.parametrize("recorded", [True, False])
async def test_another_controller_goes_on_with_a_template_of_any_kind(
    room: str, recorded: bool
) -> None:
    """It knows the kind before it says that something is lost; also where an earlier version
    recorded no text."""
    config_map(room, "templates", it=yaml.safe_dump(REPLICAS))
    fields = {"configMap": source(room), "trialParameters": REFERS, **RULES}
    async with stage(room, NOWHERE) as one:
        launch = await one.start(1, None, **fields)
    if recorded:
        async with open_api() as api:
            spec = await with_template(api, room, launch.spec)
        kubectl("delete", "configmap", "templates", "-n", room)
    else:
        spec = launch.spec
    async with stage(room, NOWHERE) as other:
        other.experiment = one.experiment
        await _sweep(other, launch.key, spec)
        assert not any(isinstance(event, Ended) for event in other.told.get(1, ()))
        found = await asyncio.to_thread(objects, "replicasets", "-n", room)
        assert [found[0]["spec"]["template"]["spec"]["containers"][0]["args"]] == [["0.25"]]
        assert len(found) == 1
        assert "deletionTimestamp" not in found[0]["metadata"]


async def test_a_template_that_cannot_be_read_loses_nothing(room: str) -> None:
    """Of an experiment that an earlier version admitted; its ConfigMap is gone."""
    async with stage(room, NOWHERE) as here:
        launch = here.launch(1, None, configMap=source(room), **RULES)
        await _sweep(here, launch.key, launch.spec)
        assert 1 not in here.told
        await here.cluster.start(launch)
        waiting = await here.waits(1)
        assert (waiting.reason, "'templates'" in waiting.message) == ("NotFound", True)


async def _sweep(here: Stage, key: Any, spec: ExperimentSpec) -> None:
    known = here.launch(1, job("1"))

    await here.cluster.sweep(identity(replace(known, spec=spec)), {key}, {key}.__contains__)


def experiment(room: str, **template: Any) -> ExperimentSpec:
    lr = {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": 0.1, "max": 1}}
    fields = {"primaryContainerName": "main", "trialParameters": REFERS, **template}
    tree = experiment_tree(namespace=room, parameters=[lr], trialTemplate=fields)
    return load_tree(tree, {}).spec


async def checked(room: str, spec: ExperimentSpec) -> ExperimentSpec:
    async with open_api() as api:
        return await check_for(api, WorkloadSettings(Sidecar("collector")))(room, spec)


async def test_the_text_is_recorded_when_the_experiment_is_admitted(room: str) -> None:
    text = json.dumps(job("1", container={"args": [LR]})).replace(f'"{LR}"', LR)
    config_map(room, "templates", it=text)
    spec = await checked(room, experiment(room, configMap=source(room), **RULES))
    assert spec.trial_template.config_map is not None
    assert spec.trial_template.config_map.template == text
    assert await asyncio.to_thread(objects, "jobs", "-n", room) == []


BAD = {
    "undeclared": (
        job("1", container={"args": [LR, "${trialParameters.x}"]}),
        "x} is not declared",
    ),
    "unused": (job("1"), "${trialParameters.lr} does not occur in the template"),
    "broken": ("a: [1", "configMap.template: line "),
    "kindless": ({"apiVersion": "v1", "args": [LR]}, "configMap.template.kind: is required"),
    "named": (
        {**job("1", container={"args": [LR]}), "metadata": {"name": "a"}},
        "configMap.template.metadata.name: must be absent",
    ),
    "privileged": (
        job("1", container={"args": [LR]}, hostNetwork=True),
        "configMap.template.spec.template.spec.hostNetwork: True is not allowed",
    ),
    "unlabelled": (job("1", container={"name": "other", "args": [LR]}), "no pod has a container"),
    "misspelt": (
        job("1", container={"args": [LR], "comand": ["x"]}),
        'unknown field "spec.template',
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_template_is_refused_with_its_place(room: str, name: str) -> None:
    tree, words = BAD[name]
    config_map(room, "templates", it=tree if isinstance(tree, str) else yaml.safe_dump(tree))
    with pytest.raises(InvalidSpecError) as refused:
        await checked(room, experiment(room, configMap=source(room), **RULES))
    assert words in str(refused.value)


async def test_a_config_map_that_may_not_be_used_is_refused(room: str) -> None:
    config_map(room, "templates", it=yaml.safe_dump(job("1")))
    for place, words in (
        (source("kube-system"), "'kube-system' must be the experiment's own namespace"),
        (source(room, path="other"), "no such key; it has it"),
    ):
        with pytest.raises(InvalidSpecError, match=words):
            await checked(room, experiment(room, configMap=place, **RULES))
    with pytest.raises(MissingConfigMapError, match="there is no ConfigMap 'late'"):
        await checked(room, experiment(room, configMap=source(room, "late"), **RULES))


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (job("1", container={"args": [LR], "comand": []}), 'unknown field "spec.template.spec.con'),
        ({**job("1", container={"args": [LR]}), "spce": 1}, 'unknown field "spce"'),
        (job("1", container={"args": [LR], "ports": "all"}), "cannot unmarshal"),
        (job("1", container={"args": [LR], "image": ""}), "image: Required value"),
    ],
)
async def test_an_object_of_which_the_api_server_knows_better_is_refused(
    room: str, tree: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidSpecError) as refused:
        await checked(room, experiment(room, trialSpec=tree))
    assert words in str(refused.value)
    assert "spec.trialTemplate.trialSpec: the API server refuses it" in str(refused.value)


async def test_what_may_pass_refuses_nothing(room: str) -> None:
    """A quota, a kind that is not installed yet, a namespace that is not there."""
    kubectl("create", "quota", "none", "--hard=count/jobs.batch=0", "-n", room)
    tree = job("1", container={"args": [LR]})
    await checked(room, experiment(room, trialSpec=tree))
    await checked(f"no-{uuid4().hex[:6]}", experiment(room, trialSpec=tree))
    other = {
        "apiVersion": "example.com/v1",
        "kind": "Later",
        "spec": {"template": REPLICAS["spec"]["template"]},
    }
    await checked(room, experiment(room, trialSpec=other, **RULES))
