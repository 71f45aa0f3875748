"""Attempts on a real node: every way in which one can end, and what its collector delivers all the
same."""

import asyncio
import json
from typing import Any

import pytest
import yaml

from controller.cluster import Ended, Started, Waiting
from events.bus.kafka import KafkaSettings
from events.facts import Cause
from tests.collectors.shipping import arrived, losses
from tests.controller.cluster.kubernetes.stage import job, name_of, stage
from tests.eventually import eventually_async
from tests.kubernetes import PYTHON, kubectl, objects

PRINTS = "print('loss=0.5')"
PATIENT = f"import time; {PRINTS}; time.sleep(600)"
CONDITION = 'status.conditions.#(type=="{}")#|#(status=="True")#'
ENDS: dict[str, Any] = {
    "successCondition": CONDITION.format("Complete"),
    "failureCondition": CONDITION.format("Failed"),
}
"""Of a Job whose template is not in the spec: there nothing has a default."""
TERMINATES = (
    "import signal,sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit('loss=0.25'));" + PATIENT
)


async def test_what_it_prints_is_heard_and_shown(room: str, kafka: KafkaSettings) -> None:
    """Quoting survives, the log still shows the output, and the workload is deleted once its end
    was noticed."""

    async with stage(room, kafka) as here:
        code = (
            "import sys; print(sys.argv[1:]); print('loss=0.5'); print('loss=0.25', "
            "file=sys.stderr)"
        )
        tree = job(code, container={"args": ["a  b", 'say "$(id)" ${trialParameters.lr}', "*"]})
        parameters = [{"name": "lr", "reference": "lr"}]
        launch = await here.start(1, tree, trialParameters=parameters)
        end = await here.ended(1)
        assert (end.cause, end.exit_code) == (Cause.COMPLETED, 0)
        assert any(isinstance(event, Started) and event.collector for event in here.told[1])
        points = await asyncio.to_thread(arrived, kafka, launch.key)
        assert losses(points) == [(1, 0.5), (2, 0.25)]
        log = await asyncio.to_thread(
            kubectl, "logs", f"job/{name_of(launch)}", "-c", "main", "-n", room
        )
        assert log.splitlines()[0] == str(["a  b", 'say "$(id)" 0.25', "*"])
        await here.sweep(launch)
        assert await asyncio.to_thread(objects, "jobs", "-n", room)
        await here.sweep()
        await eventually_async(lambda: _nothing_left(room))


@pytest.mark.parametrize(
    ("code", "limits", "cause", "exit_code", "words"),
    [
        (f"import sys; {PRINTS}; sys.exit(3)", {}, Cause.ERROR, 3, "exit status 3"),
        (f"import os; {PRINTS}; os.kill(os.getpid(), 11)", {}, Cause.SIGNAL, 139, "SIGSEGV"),
        (
            f"{PRINTS}; x = 'a' * 10**9; print(len(x))",
            {"memory": "64Mi"},
            Cause.OUT_OF_MEMORY,
            137,
            "memory",
        ),
    ],
    ids=["error", "signal", "memory"],
)
async def test_a_failure_is_told_by_its_cause_and_all_is_delivered(
    room: str,
    kafka: KafkaSettings,
    code: str,
    limits: dict[str, str],
    cause: Cause,
    exit_code: int,
    words: str,
) -> None:
    async with stage(room, kafka) as here:
        launch = await here.start(1, job(code, container={"resources": {"limits": limits}}))
        end = await here.ended(1)
        assert (end.cause, end.exit_code) == (cause, exit_code)
        assert words in end.message
        assert losses(await asyncio.to_thread(arrived, kafka, launch.key)) == [(1, 0.5)]


async def test_a_deadline_is_told_as_such(room: str, kafka: KafkaSettings) -> None:
    async with stage(room, kafka) as here:
        launch = await here.start(1, job(PATIENT), timeoutSeconds=20)  # its pod takes some to start
        assert (await here.ended(1)).cause is Cause.TIMEOUT
        assert losses(await asyncio.to_thread(arrived, kafka, launch.key)) == [(1, 0.5)]


async def test_a_stop_ends_it_gracefully_and_for_good(room: str, kafka: KafkaSettings) -> None:
    async with stage(room, kafka) as here:
        launch = await here.start(1, job(TERMINATES))
        await here.started(1)
        await here.cluster.stop(launch.key)
        await here.cluster.stop(launch.key)
        assert (await here.ended(1)).cause is Cause.CANCELLED
        assert losses(await asyncio.to_thread(arrived, kafka, launch.key)) == [(1, 0.5), (2, 0.25)]
        never = here.launch(2, job(PATIENT))
        await here.cluster.stop(never.key)
        assert (await here.ended(2)).cause is Cause.CANCELLED
        assert await asyncio.to_thread(objects, "jobs", "-n", room) == []


async def test_what_was_evicted_or_deleted_by_others_was_no_fault_of_its_own(
    room: str, kafka: KafkaSettings
) -> None:
    async with stage(room, kafka) as here:
        evicted, deleted = (
            await here.start(1, job(TERMINATES)),
            await here.start(2, job(TERMINATES)),
        )
        for trial in (1, 2):
            await here.started(trial)
        selector = f"job-name={name_of(evicted)}"
        (pod,) = await asyncio.to_thread(objects, "pods", "-n", room, "-l", selector)
        await asyncio.to_thread(_evict, room, pod["metadata"]["name"])
        await asyncio.to_thread(
            kubectl, "delete", "job", name_of(deleted), "-n", room, "--wait=false"
        )
        assert (await here.ended(1)).cause is Cause.PREEMPTED
        end = await here.ended(2)
        assert end.cause is Cause.LOST
        assert "deleted" in end.message
        for launch in (evicted, deleted):
            assert losses(await asyncio.to_thread(arrived, kafka, launch.key)) == [
                (1, 0.5),
                (2, 0.25),
            ]


async def _nothing_left(namespace: str) -> bool:
    return not await asyncio.to_thread(objects, "jobs,pods", "-n", namespace)


def _evict(namespace: str, pod: str) -> None:
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace},
    }
    kubectl(
        "create",
        "--raw",
        f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction",
        "-f",
        "-",
        said=body,
    )


async def test_what_cannot_start_waits_with_its_reason_or_is_given_up(
    room: str, kafka: KafkaSettings
) -> None:
    async with stage(room, kafka) as here:
        await here.start(1, job("1", container={"resources": {"requests": {"cpu": "999"}}}))
        await here.start(2, job("1", container={"image": "nowhere.invalid/image:1"}))
        await here.start(3, job("1", container={"image": "NO:IMAGE:"}))
        await here.start(4, job("1", restartPolicy="Always"))
        suspended = job("1")
        suspended["spec"]["suspend"] = True
        await here.start(5, suspended)
        unknown = {**job("1"), "apiVersion": "example.com/v1", "kind": "Unknown"}
        launch = here.launch(
            6, unknown, successCondition="status.ok", failureCondition="status.bad"
        )
        assert not await here.cluster.start(launch)
        assert (await here.waits(1)).reason == "Unschedulable"
        assert (await here.waits(2)).reason in ("ErrImagePull", "ImagePullBackOff")
        given_up = await here.ended(3)
        assert (given_up.cause, "InvalidImageName" in given_up.message) == (
            Cause.SPAWN_FAILURE,
            True,
        )
        refused = await here.ended(4)
        assert refused.cause is Cause.SPAWN_FAILURE
        assert "restartPolicy" in refused.message
        assert (await here.waits(5)).reason == "Suspended"
        told = await here.waits(6)
        assert (told.reason, "example.com/v1" in told.message) == ("KindNotFound", True)


async def test_a_template_may_be_in_a_config_map_of_its_namespace(
    room: str, kafka: KafkaSettings
) -> None:
    text = yaml.safe_dump(
        job(
            "import sys; print('loss=' + sys.argv[1])",
            container={"args": ["${trialParameters.lr}"]},
        )
    )
    kept = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "templates"}}
    kubectl(
        "create",
        "-n",
        room,
        "-f",
        "-",
        said={**kept, "data": {"job.yaml": text, "broken.yaml": "a: [1"}},
    )

    def source(name: str, path: str, where: str = room) -> dict[str, str]:
        return {"configMapName": name, "configMapNamespace": where, "templatePath": path}

    async def refused(place: dict[str, str], words: str) -> None:
        async with stage(room, kafka) as here:
            await here.start(1, None, configMap=place)
            told = (await here.ended(1)).message
            assert words in told, told

    async with stage(room, kafka) as here:
        parameters = [{"name": "lr", "reference": "lr"}]
        place = source("templates", "job.yaml")
        launch = await here.start(1, None, trialParameters=parameters, configMap=place, **ENDS)
        assert (await here.ended(1)).cause is Cause.COMPLETED
        assert losses(await asyncio.to_thread(arrived, kafka, launch.key)) == [(1, 0.25)]
    await refused(
        source("templates", "other.yaml"), "templates/other.yaml: the ConfigMap has no such key"
    )
    await refused(source("templates", "broken.yaml"), "templates/broken.yaml: ")
    await refused(
        source("templates", "job.yaml", "kube-system"), "'kube-system' must be the experiment's own"
    )


async def test_a_config_map_that_is_missing_is_waited_for(room: str, kafka: KafkaSettings) -> None:
    async with stage(room, kafka) as here:
        place = {"configMapName": "late", "configMapNamespace": room, "templatePath": "job.yaml"}
        launch = here.launch(1, None, configMap=place, **ENDS)
        assert not await here.cluster.start(launch)
        assert "late" in (await here.waits(1)).message
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late"}}
        said = {**made, "data": {"job.yaml": json.dumps(job(PRINTS))}}
        await asyncio.to_thread(kubectl, "create", "-n", room, "-f", "-", said=said)
        assert await here.cluster.start(launch)
        assert (await here.ended(1)).cause is Cause.COMPLETED


async def test_a_quota_is_waited_for(room: str, kafka: KafkaSettings) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    kubectl(
        "create", "-n", room, "-f", "-", said={**quota, "spec": {"hard": {"count/jobs.batch": "0"}}}
    )

    async with stage(room, kafka) as here:
        launch = here.launch(1, job(PRINTS))
        async with asyncio.timeout(30):  # the quota counts only once its controller has seen it
            while await here.cluster.start(launch):
                await here.cluster.stop(launch.key)
                await here.ended(1)
        assert (await here.waits(1)).reason == "QuotaExceeded"
        await asyncio.to_thread(kubectl, "delete", "resourcequota", "none", "-n", room)
        await eventually_async(lambda: here.cluster.start(launch))
        assert (await here.ended(1)).cause is Cause.COMPLETED


async def test_a_namespace_that_goes_takes_its_trials_and_no_more_start(
    room: str, kafka: KafkaSettings
) -> None:
    async with stage(room, kafka) as here:
        await here.start(1, job(PATIENT))
        await here.started(1)
        await asyncio.to_thread(kubectl, "delete", "namespace", room, "--wait=false")
        assert (await here.ended(1)).cause in (Cause.LOST, Cause.PREEMPTED)
        await here.cluster.start(here.launch(2, job(PRINTS)))
        assert (await here.waits(2)).reason in ("NamespaceTerminating", "NotFound")


async def test_a_lingering_neighbour_holds_nothing_up(room: str, kafka: KafkaSettings) -> None:
    async with stage(room, kafka) as here:
        proxy = {"name": "mesh", "image": PYTHON, "command": ["sleep", "600"]}
        launch = await here.start(1, job(PRINTS, beside=[proxy], terminationGracePeriodSeconds=1))
        await here.started(1)
        async with asyncio.timeout(60):
            while not any(isinstance(event, Ended) for event in here.told[1]):
                await here.sweep(launch)
                await asyncio.sleep(0.5)
        assert (await here.ended(1)).cause is Cause.COMPLETED
        await here.sweep()
        assert losses(await asyncio.to_thread(arrived, kafka, launch.key)) == [(1, 0.5)]


async def test_an_image_with_a_command_of_its_own_is_heard_by_its_log(
    room: str, kafka: KafkaSettings
) -> None:
    async with stage(room, kafka) as here:
        tree = job()
        del tree["spec"]["template"]["spec"]["containers"][0]["command"]
        tree["spec"]["template"]["spec"]["containers"][0]["args"] = [
            "python3",
            "-c",
            "print('loss=0.5')",
        ]
        launch = await here.start(1, tree)
        end = await here.ended(1)
        assert not end.collector
        text = here.cluster.log_path(launch.key).read_text()
        assert (end.cause, text) == (Cause.COMPLETED, "loss=0.5\n"), (end, text)


async def test_another_controller_finds_what_runs_and_never_makes_it_twice(
    room: str, kafka: KafkaSettings
) -> None:
    async with stage(room, kafka) as one:
        running, done = await one.start(1, job(PATIENT)), await one.start(2, job(PRINTS))
        await one.started(1)
        await one.ended(2)
        foreign = json.loads(json.dumps(job(PATIENT)))
        taken = one.launch(3, job(PATIENT))
        foreign["metadata"] = {"name": name_of(taken)}
        await asyncio.to_thread(kubectl, "create", "-n", room, "-f", "-", said=foreign)
    async with stage(room, kafka) as other:
        other.experiment = one.experiment
        for launch in (running, done):
            assert await other.cluster.start(launch)
        await other.cluster.start(taken)
        conflict = await other.ended(3)
        assert (conflict.cause, "taken" in conflict.message) == (Cause.SPAWN_FAILURE, True)
        lost = other.launch(4, job(PATIENT))
        await other.sweep(running, done, lost)
        await other.started(1)
        assert (await other.ended(2)).cause is Cause.COMPLETED
        assert (await other.ended(4)).cause is Cause.LOST
        found = await asyncio.to_thread(objects, "jobs", "-n", room)
        assert sorted(one["metadata"]["name"] for one in found) == sorted(
            map(name_of, (running, done, taken))
        )
        await other.sweep()
        assert (await other.ended(1)).cause is Cause.CANCELLED
        left = await asyncio.to_thread(objects, "jobs", "-n", room)
        assert name_of(taken) in [one["metadata"]["name"] for one in left]


async def test_waiting_is_said_once(room: str, kafka: KafkaSettings) -> None:
    async with stage(room, kafka) as here:
        launch = here.launch(
            1, {**job("1"), "kind": "Nothing"}, successCondition="a", failureCondition="b"
        )
        assert [await here.cluster.start(launch) for _ in range(3)] == [False] * 3
        told = await here.waits(1)
        assert here.told[1] == [Waiting(launch.key, "KindNotFound", told.message)]
