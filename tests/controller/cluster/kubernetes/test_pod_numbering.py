"""Of a Job's several pods the first alone reports."""

import asyncio
from typing import Any

import pytest

from controller.cluster.kubernetes.manifests import workload_problems
from controller.cluster.kubernetes.pod_numbering import number_pods
from controller.cluster.kubernetes.policy import Policy
from events.bus.kafka import KafkaSettings
from events.facts import Cause
from tests.collectors.shipping import arrived, losses
from tests.controller.cluster.kubernetes.stage import job, stage
from tests.experiments import experiment_spec


def several(code: str, **spec: Any) -> dict[str, Any]:
    tree = job(code)
    tree["spec"].update(spec)
    return tree


@pytest.mark.parametrize(
    ("spec", "mode"),
    [
        ({"completions": 2}, "Indexed"),
        ({"completions": 2, "parallelism": 2}, "Indexed"),
        ({"completions": 1}, None),
        ({}, None),
    ],
)
def test_pods_are_numbered_where_there_are_several(spec: dict[str, Any], mode: str | None) -> None:
    tree = several("pass", **spec)
    number_pods(tree)
    assert tree["spec"].get("completionMode") == mode


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"parallelism": 2}, "spec.completions"),
        ({"completions": 2, "completionMode": "NonIndexed"}, "spec.completionMode"),
        ({"completions": 2, "completionMode": "Indexed"}, None),
        ({"completions": 1, "completionMode": "NonIndexed"}, None),
        ({"parallelism": 1}, None),
    ],
)
def test_pods_that_cannot_be_told_apart_are_refused(
    spec: dict[str, Any], field: str | None
) -> None:
    template = {
        "trialSpec": several("${trialParameters.x}", **spec),
        "primaryContainerName": "main",
        "trialParameters": [{"name": "x", "reference": "x"}],
    }
    for kind, wanted in (("StdOut", field), ("None", None)):
        collector = {"collector": {"kind": kind}}
        made = experiment_spec(trialTemplate=template, metricsCollectorSpec=collector)
        found = [".".join(map(str, one.path)) for one in workload_problems(made, Policy())]
        assert found == ([f"spec.trialTemplate.trialSpec.{wanted}"] if wanted else [])


async def test_two_pods_of_a_job_report_once(room: str, kafka: KafkaSettings) -> None:
    code = "import os; print('loss=%f' % (0.5 + int(os.environ['JOB_COMPLETION_INDEX'])))"
    async with stage(room, kafka) as here:
        launch = await here.start(1, several(code, completions=2, parallelism=2))
        assert (await here.ended(1)).cause is Cause.COMPLETED
        points = await asyncio.to_thread(arrived, kafka, launch.key)
        assert losses(points) == [(1, 0.5)]
