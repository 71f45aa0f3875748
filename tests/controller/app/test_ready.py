"""Whoever asks whether a controller is ready hears of what it does not see on Kubernetes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from controller.app.balancer import Balancer
from controller.app.components import Components
from controller.app.service import ClusterKind, ControllerOptions, Service
from controller.cluster.kubernetes import reflector
from controller.settings import (
    CollectorSettings,
    HistorySettings,
    KubernetesSettings,
    LocalSettings,
    SuggestionSettings,
)
from controller.store.postgres import open_database
from controller.suggestion.pool import open_pool
from controller.telemetry.watchdog import Watchdog
from events.bus.kafka import KafkaBus, KafkaSettings
from events.bus.kafka.bus import SHARDED
from events.ids import ExperimentId
from events.spec.document import OURS
from tests.controller.cluster.kubernetes.recorded_api import FORBIDDEN, listed, recorded_api
from tests.controller.cluster.kubernetes.test_isolation import (
    CLUSTER,
    EXPERIMENTS,
    TRIALS,
    identity,
    launch,
)
from tests.controller.telemetry.test_ports import ask
from tests.eventually import eventually_async
from tests.ports import free_port

PODS = "GET /api/v1/pods"


def options(url: str, folder: Path, health_port: int) -> ControllerOptions:
    return ControllerOptions(
        database=SecretStr(url),
        kafka=KafkaSettings("127.0.0.1:1"),
        local=LocalSettings(),
        kubernetes=KubernetesSettings(experiment_versions=["trialstream.io/v1alpha1"]),
        suggestion=SuggestionSettings(),
        history=HistorySettings(),
        collector=CollectorSettings(),
        cluster=ClusterKind.KUBERNETES,
        data=folder,
        health_port=health_port,
    )


@asynccontextmanager
async def wired(wanted: ControllerOptions) -> AsyncGenerator[Components]:
    """The parts of a controller on Kubernetes that serves no shard, and asks nothing of Kafka."""
    bus = KafkaBus(wanted.kafka)
    bus._counts = {wanted.kafka.topic(topic): 1 for topic in SHARDED}
    async with AsyncExitStack() as stack:
        stack.push_async_callback(bus.close)
        database = await stack.enter_async_context(
            open_database(wanted.database.get_secret_value())
        )
        pool = await stack.enter_async_context(open_pool(wanted.suggestion))
        service = Service(wanted)
        yield await stack.enter_async_context(service._open_components(database, bus, pool))


@pytest.mark.parametrize(
    ("unseen", "path"),
    [(EXPERIMENTS, f"/apis/{OURS}/experiments"), (PODS, "/api/v1/pods")],
    ids=["experiments", "pods"],
)
async def test_what_cannot_be_watched_is_said_while_it_lasts(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unseen: str, path: str
) -> None:
    monkeypatch.setattr(reflector, "TROUBLE_SECONDS", 0.0)
    seen = {
        **CLUSTER,
        EXPERIMENTS: listed("Experiment", OURS),
        TRIALS: listed("Trial", OURS),
    }
    answers, wanted = {**seen, unseen: FORBIDDEN}, options(database_url, tmp_path, free_port())
    trouble = f"{path} cannot be watched: cannot list resource"
    async with recorded_api(answers, tmp_path, monkeypatch), wired(wanted) as components:
        one = identity(launch(ExperimentId(uuid4())))
        await components.cluster.sweep(one, (), lambda _: True)  # pods are watched from now on
        service = Service(wanted, balancer=Balancer(components, 1, asyncio.Event()))

        async def says(status: int, *lines: str) -> bool:
            found, text = await asyncio.to_thread(ask, wanted.health_port, "/readyz")
            return (found, set(text.splitlines())) == (status, set(lines))

        with service._ports(Watchdog()):
            unserved = "has not yet seen which shards are free"
            await eventually_async(lambda: says(503, unserved, trouble), "the trouble is a reason")
            assert service.balancer is not None
            service.balancer.surveyed = True
            await eventually_async(lambda: says(503, trouble), "it is the only one")
            answers[unseen] = seen[unseen]
            await eventually_async(lambda: says(200, "ok"), "it is ready")
