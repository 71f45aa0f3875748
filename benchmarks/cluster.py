"""Thousands of trials at once on a Kubernetes of simulated nodes: how long it takes, what the API
server is asked for.

The API server, etcd, the Job controller and the scheduler are real, and so are Kafka, Postgres and
the one controller, a process with the default settings; the nodes and their pods are simulated, so
nothing in a pod runs or prints. In place of the collectors beside the trials this program reports
one value of each trial that starts, and that it is all.

First bare Jobs are created with the controller's own client at its default pace, until all of them
run. Then as many trials, of 120 experiments, and on to the end of all trials. Then one experiment
with very many trials. What is asked of the API server is counted by the controller, and by the API
server itself for the kinds that nobody else writes.
"""

import asyncio
import math
import random
import re
import time
import urllib.request
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from algorithms.search.shell.permutation import Permutation
from benchmarks.controllers import Controller, Site, site
from benchmarks.kubernetes import count, create, install, namespace, pods, requests, until
from benchmarks.outcome import CannotMeasureError, Outcome, say
from controller.cluster.kubernetes.api import Api, open_api
from controller.cluster.kubernetes.api_errors import ApiUnavailableError
from controller.cluster.kubernetes.experiments import TRIALS
from controller.cluster.kubernetes.projection import REFUSED
from controller.settings import KubernetesSettings
from events import topics
from events.bus import Record
from events.bus.kafka import KafkaReader, open_reader
from events.clock import now
from events.envelope import decode, encode, report_completion, report_points
from events.facts import TrialStarted
from events.ids import AttemptKey, Shard
from events.metrics import Point
from events.spec.document import OURS

PATIENCE_SECONDS = 3600.0
LOOK_SECONDS = 5.0
METRICS_PORT = 17463
JOBS = "/apis/batch/v1/namespaces/{}/jobs"
EXPERIMENTS = f"/apis/{OURS}/namespaces/{{}}/experiments"
WRITES = ("POST", "PATCH", "PUT", "DELETE")
OWN = {("POST", "jobs"), ("DELETE", "jobs"), ("POST", "trials"), ("PATCH", "trials"),
    ("DELETE", "trials"),
       ("PATCH", "experiments")}  # fmt: skip
"""What nobody but the controller asks for while it is looked at."""
APART = 0.05
"""How far the two counts may differ: some requests are under way when they are read, and events are
left out."""
_OUR_REQUESTS = re.compile(
    r'^trialstream_kubernetes_requests_total\{code="\w+",verb="(\w+)"\} (\S+)$', re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Size:
    """So many experiments of `parallel` trials at once and `each` in all, whose pods run for
    `seconds`, the first ones for `first_seconds`."""

    experiments: int
    parallel: int
    each: int
    seconds: int
    first_seconds: int = 0

    @property
    def durations(self) -> list[str]:
        """The values of a parameter of which a grid search with seed SEED suggests the long ones
        first."""
        found = [""] * self.each
        order = Permutation(self.each, SEED)
        for place in range(self.each):
            seconds = self.first_seconds if place < self.parallel else self.seconds
            found[order[place]] = f"{seconds}.{place:05}"
        return found

    @property
    def at_once(self) -> int:
        return self.experiments * self.parallel

    @property
    def trials(self) -> int:
        return self.experiments * self.each


MANY, QUICK_MANY = Size(120, 30, 100, 10), Size(4, 5, 15, 5)
LONG, QUICK_LONG = Size(1, 500, 15_000, 5), Size(1, 10, 60, 5)
OVERLAP = 2.0, 30.0
"""The first trials run for so many times as long as bare Jobs take until all of them run, and so
many seconds more."""
SEED = 1


def measure(home: Path, *, quick: bool) -> Outcome:
    return asyncio.run(_measure(home, *((QUICK_MANY, QUICK_LONG) if quick else (MANY, LONG))))


async def _measure(home: Path, many: Size, long: Size) -> Outcome:
    try:
        async with (
            site(home) as opened,
            open_api(writes_per_second=KubernetesSettings().writes_per_second) as api,
        ):
            await install(api)
            bare = await _bare(api, many.at_once)
            controller = opened.open_controller(
                "--cluster", "kubernetes", "--metrics-port", str(METRICS_PORT)
            )
            async with _collecting(opened):
                times, more = OVERLAP
                many = replace(many, first_seconds=math.ceil(times * bare + more))
                first = await _run(opened, api, controller, many)
                last = await _run(opened, api, controller, long)
            postgres = await opened.store.version()
    except OSError as error:
        raise CannotMeasureError(str(error)) from None
    figures = {
        "running_at_once": first.most, "bare_s": bare, "running_s": first.running_s,
        "bare_ratio": first.running_s / bare,
        **first.figures(many), "object_kb": max(first.object_kb, last.object_kb),
        "memory_mib": last.memory_mib,
        "long_trials_per_second": long.trials / last.seconds, "trial_objects": last.trial_objects,
        "left_over": first.left_over + last.left_over,
    }  # fmt: skip
    return Outcome(figures, postgres, packages=("aiokafka", "kubernetes_asyncio"))


async def _bare(api: Api, jobs: int) -> float:
    """Seconds from the first request until so many Jobs run."""
    async with namespace(api) as place, pods(api, place) as seen, asyncio.TaskGroup() as tasks:
        began = time.monotonic()
        for number in range(jobs):
            body = {**_job(f"{PATIENCE_SECONDS}s"), "metadata": {"name": f"bare-{number}"}}
            tasks.create_task(create(api, JOBS.format(place), body))
        await seen.reach(jobs)
        took = time.monotonic() - began
        say(f"{jobs:,} bare Jobs run after {took:.1f} s")
    return took


def _job(run_for: str) -> dict[str, Any]:
    container = {"name": "main", "image": "simulated:1", "command": ["train", run_for]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": {"annotations": {"fake.trialstream.dev/run-for": run_for}},
                "spec": {"restartPolicy": "Never", "containers": [container]},
            },
        },
    }


@dataclass(slots=True)
class Run:
    """What was seen while a set of experiments ran."""

    running_s: float = 0.0
    """Until as many trials ran as may."""
    seconds: float = 0.0
    most: int = 0
    """Trials that ran at once, by Postgres and by the API server."""
    object_kb: float = 0.0
    trial_objects: int = 0
    left_over: int = 0
    memory_mib: float = 0.0
    cpu_seconds: float = 0.0
    asked: Mapping[str, int] = field(default_factory=dict)
    """Requests of the controller by verb."""

    def figures(self, size: Size) -> dict[str, float]:
        writes = sum(self.asked.get(verb, 0) for verb in WRITES)
        return {
            "trials_per_second": size.trials / self.seconds,
            "writes_per_trial": writes / size.trials,
            "requests_per_trial": sum(self.asked.values()) / size.trials,
            "core_share": self.cpu_seconds / self.seconds,
            "cpu_ms_per_trial": 1000 * self.cpu_seconds / size.trials,
        }


async def _run(opened: Site, api: Api, controller: Controller, size: Size) -> Run:
    """Run the experiments, from their creation until only their own objects and those of their best
    trials are left."""
    run = Run()
    async with namespace(api) as place:
        await opened.until(
            "(SELECT count(*) FROM shard WHERE owner IS NOT NULL) = $1", opened.bus.partitions
        )
        counted, asked, cpu = await requests(api), await _asked(), controller.cpu_seconds()
        began = time.monotonic()
        async with pods(api, place) as seen, asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(_look(opened, api, place, run))
            for number in range(size.experiments):
                await create(api, EXPERIMENTS.format(place), _experiment(f"e{number}", size))
            await seen.reach(size.at_once)
            run.running_s = time.monotonic() - began
            say(f"{len(seen.running):,} trials run after {run.running_s:.1f} s")
            await opened.until(
                "(SELECT count(*) FROM experiment WHERE namespace = $1 AND concluded_at IS "
                    "NOT NULL) = $2", place,
                size.experiments, within=PATIENCE_SECONDS,
            )  # fmt: skip
            run.seconds = time.monotonic() - began
            run.most = min(seen.most, run.most)
            run.cpu_seconds = controller.cpu_seconds() - cpu
            await _tidy(api, place, size)
            looking.cancel()
        run.memory_mib = controller.memory() / 2**20
        run.asked = {verb: n - asked.get(verb, 0) for verb, n in (await _asked()).items()}
        after = await requests(api)
        _compare(run, {key: n - counted.get(key, 0) for key, n in after.items()})
        run.left_over = await count(api, TRIALS.path(place)) - size.experiments
        say(str(run))
    return run


async def _tidy(api: Api, place: str, size: Size) -> None:
    """Wait until the Jobs are deleted, and the Trial objects but those of the best trials."""

    async def tidy() -> bool:
        return (
            not await count(api, JOBS.format(place))
            and await count(api, TRIALS.path(place)) <= size.experiments
        )

    await until(tidy, PATIENCE_SECONDS)


def _experiment(name: str, size: Size) -> dict[str, Any]:
    """Its one parameter is how long a trial's pod runs."""
    space: dict[str, Any]
    kind, space, algorithm = (
        "double",
        {"min": str(size.seconds), "max": str(size.seconds + 1)},
        "random",
    )
    if size.first_seconds:
        kind, space, algorithm = "categorical", {"list": size.durations}, "grid"
    return {
        "apiVersion": OURS,
        "kind": "Experiment",
        "metadata": {"name": name},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": algorithm},
            "seed": SEED,
            "parallelTrialCount": size.parallel,
            "maxTrialCount": size.each,
            "parameters": [{"name": "seconds", "parameterType": kind, "feasibleSpace": space}],
            "trialTemplate": {
                "primaryContainerName": "main",
                "trialParameters": [{"name": "seconds", "reference": "seconds"}],
                "trialSpec": _job("${trialParameters.seconds}s"),
            },
        },
    }


async def _look(opened: Site, api: Api, place: str, run: Run) -> None:
    """Look again and again, also at an API server that is too busy to answer now and then."""
    while True:
        with suppress(ApiUnavailableError):
            await _look_once(opened, api, place, run)
        await asyncio.sleep(LOOK_SECONDS)


async def _look_once(opened: Site, api: Api, place: str, run: Run) -> None:
    """Trials that run by Postgres, sizes of the experiments' objects, number of Trial objects."""
    rows = await opened.database.fetch("SELECT state, count(*) AS n FROM trial GROUP BY state")
    states = {row["state"]: row["n"] for row in rows}
    run.most = max(run.most, states.get("Running", 0))
    things = (await api.get(EXPERIMENTS.format(place)))["items"]
    if refused := [
        thing["status"] for thing in things if (thing.get("status") or {}).get("state") == REFUSED
    ]:
        raise CannotMeasureError(str(refused[0]))
    run.object_kb = max([run.object_kb, *(len(orjson.dumps(thing)) / 1000 for thing in things)])
    shown = await count(api, TRIALS.path(place))
    run.trial_objects = max(run.trial_objects, shown)
    at = time.strftime("%H:%M:%S")
    say(f"{at} {states}, {shown} Trial objects, experiments of {run.object_kb:.1f} kB at most")


async def _asked() -> Mapping[str, int]:
    """The controller's own count of its requests, by verb."""
    url = f"http://127.0.0.1:{METRICS_PORT}/metrics"
    text = (
        await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=30).read())
    ).decode()
    found: dict[str, int] = {}
    for verb, number in _OUR_REQUESTS.findall(text):
        found[verb] = found.get(verb, 0) + int(float(number))
    return found


def _compare(run: Run, counted: Mapping[tuple[str, str], int]) -> None:
    """CannotMeasureError if the API server says otherwise."""
    theirs = sum(counted.get(key, 0) for key in OWN)
    ours = sum(run.asked.get(verb, 0) for verb in WRITES)
    say(", ".join(f"{verb} {kind} {counted.get((verb, kind), 0):,}" for verb, kind in sorted(OWN)))
    if abs(theirs - ours) > APART * ours:
        raise CannotMeasureError(
            f"the controller counted {ours:,} writes, the API server {theirs:,}"
        )


@asynccontextmanager
async def _collecting(opened: Site) -> AsyncGenerator[None]:
    """Report a value for each trial that starts, and that this is all."""
    async with open_reader(opened.settings, topics.EVENTS) as reader, asyncio.TaskGroup() as tasks:
        collecting = tasks.create_task(_collect(opened, reader))
        yield
        collecting.cancel()


async def _collect(opened: Site, reader: KafkaReader) -> None:
    dice = random.Random(1)
    while True:
        records: list[Record] = []
        for delivery in await reader.fetch(1_000, 1.0):
            envelope = decode(delivery.record)
            if isinstance(envelope.body, TrialStarted):
                key, at = (
                    AttemptKey(envelope.experiment, envelope.body.trial, envelope.body.attempt),
                    now(),
                )
                said = [
                    report_points(key, [Point("loss", 1, at, dice.random())], at),
                    report_completion(key, at),
                ]
                records += [
                    encode(one, topics.METRICS, Shard(delivery.record.partition)) for one in said
                ]
        await opened.bus.publish(records)
