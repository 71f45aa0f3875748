"""The parts of a controller whose trials are workloads of Kubernetes."""

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from collectors.limits import Limits
from collectors.parsers import parser_for
from collectors.sources.nothing import Nothing
from collectors.sources.rate import Rate
from collectors.sources.tail import Tail
from controller.app.components import (
    Components,
    kubernetes_problems,
    open_components,
    policy_of,
)
from controller.cluster import Launch
from controller.cluster.kubernetes.admission import read_template, refusals
from controller.cluster.kubernetes.api import Api, open_api
from controller.cluster.kubernetes.cluster import KubernetesCluster, WorkloadSettings
from controller.cluster.kubernetes.configmaps import ConfigMapError, MissingConfigMapError
from controller.cluster.kubernetes.experiments import Experiments
from controller.cluster.kubernetes.logs import FollowedLog
from controller.cluster.kubernetes.sidecar import Sidecar
from controller.flows.admit import Check, InvalidSpecError, require_none
from controller.flows.observe import Follow, Source
from controller.flows.reconcile.reconciler import Reconciler
from controller.settings import HistorySettings, KubernetesSettings
from controller.store.postgres import Database
from controller.store.queries import Queries
from controller.suggestion.pool import Pool
from events.bus.kafka import KafkaBus, KafkaSettings
from events.clock import now
from events.diagnosis import Diagnosis
from events.metrics import Point
from events.spec.experiment import ExperimentSpec
from events.spec.template_validation import template_problems


@asynccontextmanager
async def on_kubernetes(
    database: Database,
    bus: KafkaBus,
    pool: Pool,
    wanted: KubernetesSettings,
    kafka: KafkaSettings,
    owner: str,
    history: HistorySettings,
    limits: Limits,
) -> AsyncGenerator[Components]:
    """Wire the parts around the cluster that we are in, or that KUBECONFIG names. Raises
    OSError."""
    settings = _settings(wanted, kafka, limits)

    async with (
        open_api(writes_per_second=wanted.writes_per_second) as api,
        KubernetesCluster.open(api, settings) as cluster,
        Experiments.open(api, wanted.namespaces, wanted.experiment_versions) as experiments,
        open_components(
            database,
            bus,
            pool,
            cluster,
            _follow(cluster, limits),
            owner=owner,
            check=check_for(api, settings),
            history=history,
        ) as components,
    ):
        ledger, queries = components.ledger, Queries(database)
        check = components.check
        reconciler = Reconciler(experiments, ledger, queries, bus, check, bus.partitions)

        def troubles() -> Iterator[str]:
            yield from experiments.troubles()
            yield from cluster.troubles()

        yield replace(components, reconciler=reconciler, troubles=troubles)


def check_for(api: Api, settings: WorkloadSettings) -> Check:
    """What is asked before an experiment is admitted."""

    async def check(namespace: str, spec: ExperimentSpec) -> ExperimentSpec:
        try:
            spec = await read_template(api, namespace, spec)
        except MissingConfigMapError:
            raise
        except ConfigMapError as error:
            raise InvalidSpecError([error.problem]) from None
        require_none(template_problems(spec, katib=False))
        require_none(kubernetes_problems(spec, settings.policy))
        require_none(await refusals(api, settings, namespace, spec))
        return spec

    return check


def _settings(wanted: KubernetesSettings, kafka: KafkaSettings, limits: Limits) -> WorkloadSettings:
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
        options=tuple(limits.options()),
    )
    return WorkloadSettings(sidecar, policy_of(wanted), tuple(wanted.namespaces))


def _follow(cluster: KubernetesCluster, limits: Limits) -> Follow:
    """Read the metrics of an attempt without a collector from its log."""

    def follow(launched: Launch, *_: object) -> Source:
        spec, key = launched.spec, launched.key
        if not spec.metrics_collector_spec.expects_metrics:
            return Nothing()
        parse = parser_for(spec.metrics_collector_spec, spec.metrics)
        tail = Tail(cluster.log_path(key), parse, now, limits.line_bytes)
        rate = Rate(limits.points_per_second) if limits.points_per_second else None
        return PodLog(tail, partial(cluster.followed_log, key), rate)

    return follow


class PodLog:
    """The source of an attempt without a collector of its own: what was read makes room.

    Whoever calls `read` again has reported what it returned before, so it need not be kept.
    """

    def __init__(
        self, tail: Tail, find: Callable[[], FollowedLog | None], rate: Rate | None = None
    ) -> None:
        self._tail, self._find = tail, find
        self._thin = rate.thin if rate else list[Point]
        if (log := find()) is not None and log.reader is not None:
            tail.restore(log.reader)

    def read(self) -> Sequence[Point]:
        """As Source.read."""
        log = self._find()
        if log is not None and log.full and self._tail.has_read(log.size):
            self._tail.begin_anew()
            log.empty(self._tail.state())
        return self._thin(self._tail.read())

    def finish(self) -> Sequence[Point]:
        """As Source.finish."""
        return self._thin(self._tail.finish())

    def diagnosis(self) -> Diagnosis | None:
        """As Source.diagnosis, by what is left of the log."""
        return self._tail.diagnosis()

    def texts(self) -> Mapping[str, str]:
        """As Source.texts."""
        return self._tail.texts()
