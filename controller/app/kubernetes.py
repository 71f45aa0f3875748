"""The parts of a controller whose trials are workloads of Kubernetes."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

from algorithms.scheduling import scheduler_problems
from algorithms.search import search_problems
from collectors.parsers import parser_for
from collectors.problems import problems as collector_problems
from collectors.sources.tail import Tail
from controller.app.components import Components, open_components
from controller.cluster import Launch
from controller.cluster.kubernetes.api import open_api
from controller.cluster.kubernetes.cluster import KubernetesCluster, WorkloadSettings
from controller.cluster.kubernetes.experiments import Experiments
from controller.cluster.kubernetes.manifests import workload_problems
from controller.cluster.kubernetes.policy import Policy
from controller.cluster.kubernetes.sidecar import Sidecar
from controller.flows.observe import Follow, Source
from controller.flows.reconcile.reconciler import Reconciler
from controller.settings import KubernetesSettings
from controller.store.postgres import Database
from controller.store.queries import Queries
from controller.suggestion.pool import Pool
from events.bus.kafka import KafkaBus, KafkaSettings
from events.clock import now
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Problem


@asynccontextmanager
async def on_kubernetes(
    database: Database,
    bus: KafkaBus,
    pool: Pool,
    wanted: KubernetesSettings,
    kafka: KafkaSettings,
    owner: str,
) -> AsyncGenerator[Components]:
    """Wire the parts around the cluster that we are in, or that KUBECONFIG names. Raises
    OSError."""
    settings = _settings(wanted, kafka)

    def check(spec: ExperimentSpec) -> Iterator[Problem]:
        yield from search_problems(spec)
        yield from scheduler_problems(spec)
        yield from collector_problems(spec)
        yield from workload_problems(spec, settings.policy)

    async with (
        open_api(writes_per_second=wanted.writes_per_second) as api,
        KubernetesCluster.open(api, settings) as cluster,
        Experiments.open(api, wanted.namespaces, wanted.experiment_versions) as experiments,
        open_components(
            database, bus, pool, cluster, _follow(cluster), owner=owner, check=check
        ) as components,
    ):
        ledger, queries = components.ledger, Queries(database)
        reconciler = Reconciler(experiments, ledger, queries, bus, check, bus.partitions)

        def troubles() -> Iterator[str]:
            yield from experiments.troubles()
            yield from cluster.troubles()

        yield replace(components, reconciler=reconciler, troubles=troubles)


def _settings(wanted: KubernetesSettings, kafka: KafkaSettings) -> WorkloadSettings:
    environment = kafka.to_environment()
    if wanted.collector_secret:
        environment.pop("TRIALSTREAM_KAFKA_PASSWORD", None)
    sidecar = Sidecar(
        image=wanted.collector_image,
        pull_policy=wanted.collector_pull_policy,
        pull_secrets=tuple(wanted.collector_pull_secrets),
        environment=environment,
        secret=wanted.collector_secret,
        requests=wanted.collector_requests,
        limits=wanted.collector_limits,
    )
    policy = Policy(
        privileged=wanted.allow_privileged,
        host_path=wanted.allow_host_path,
        host_namespaces=wanted.allow_host_namespaces,
        service_accounts=tuple(wanted.service_accounts),
    )
    return WorkloadSettings(sidecar, policy, tuple(wanted.namespaces))


def _follow(cluster: KubernetesCluster) -> Follow:
    """Read the metrics of an attempt without a collector from its log."""

    def follow(launched: Launch) -> Source:
        spec = launched.spec
        return Tail(
            cluster.log_path(launched.key),
            parser_for(spec.metrics_collector_spec, spec.metrics),
            now,
        )

    return follow
