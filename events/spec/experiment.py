"""The one ExperimentSpec: Katib's schema (v1beta1) and Trialstream's additions."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from pydantic import Field

from events.model import SpecPart
from events.spec.objective import Objective, Observation, Strategy
from events.spec.outcomes import OutcomeConstraint, outcome_constraint
from events.spec.space import Parameter, Scalar
from events.spec.warm_start import WarmStart

DEFAULT_PARALLEL = 3
DEFAULT_LOG = "/var/log/katib/metrics.log"
CENTURY = 100 * 365 * 24 * 3600
"""Seconds; longer limits are slips of the pen, and dates end."""


class Setting(SpecPart):
    name: str
    value: Scalar


class AlgorithmSpec(SpecPart):
    """An algorithm (or early-stopping rule) by name, with its settings."""

    algorithm_name: str
    algorithm_settings: tuple[Setting, ...] = ()

    @property
    def settings(self) -> dict[str, Scalar]:
        return {setting.name: setting.value for setting in self.algorithm_settings}


class CollectorKind(StrEnum):
    STDOUT = "StdOut"
    FILE = "File"
    TENSORFLOW_EVENT = "TensorFlowEvent"
    PROMETHEUS = "PrometheusMetric"
    CUSTOM = "Custom"
    PUSH = "Push"


class FileFormat(StrEnum):
    TEXT = "TEXT"
    JSON = "JSON"


class FileSystemPath(SpecPart):
    path: str | None = None
    kind: str | None = None
    format: FileFormat | None = None


class Filter(SpecPart):
    """RE2 expressions with two groups: the metric's name and its value."""

    metrics_format: tuple[str, ...] = ()


class Source(SpecPart):
    file_system_path: FileSystemPath | None = None
    filter: Filter | None = None
    http_get: dict[str, Any] | None = None


class Collector(SpecPart):
    kind: CollectorKind = CollectorKind.STDOUT
    custom_collector: dict[str, Any] | None = None


class MetricsCollectorSpec(SpecPart):
    """Where a trial's metrics come from."""

    collector: Collector = Collector()
    source: Source | None = None

    @property
    def format(self) -> FileFormat:
        path = self.source.file_system_path if self.source else None
        return (path.format if path else None) or FileFormat.TEXT

    @property
    def path(self) -> str:
        path = self.source.file_system_path if self.source else None
        return (path.path if path else None) or DEFAULT_LOG

    @property
    def filters(self) -> tuple[str, ...]:
        return self.source.filter.metrics_format if self.source and self.source.filter else ()


class TrialParameter(SpecPart):
    """A placeholder `${trialParameters.<name>}` and what it refers to: a parameter or `${trialSpec.<Key>}`."""

    name: str
    reference: str
    description: str | None = None


class ConfigMapSource(SpecPart):
    config_map_name: str
    config_map_namespace: str
    template_path: str


class TrialTemplate(SpecPart):
    """How a trial is run: `trialSpec` (any Kubernetes object), a ConfigMap, or a short `command`."""

    retain: bool = False
    command: tuple[Scalar, ...] | None = None
    """Ours: program and arguments, for scripts without a Job manifest."""
    timeout_seconds: float | None = Field(default=None, gt=0, le=CENTURY)
    """Ours: an attempt that runs longer is ended and has failed."""
    trial_spec: dict[str, Any] | None = None
    config_map: ConfigMapSource | None = None
    trial_parameters: tuple[TrialParameter, ...] = ()
    primary_pod_labels: dict[str, str] = Field(default_factory=dict)
    primary_container_name: str | None = None
    success_condition: str | None = None
    failure_condition: str | None = None


class ResumePolicy(StrEnum):
    NEVER = "Never"
    LONG_RUNNING = "LongRunning"
    FROM_VOLUME = "FromVolume"


class GraphConfig(SpecPart):
    num_layers: int | None = None
    input_sizes: tuple[int, ...] = ()
    output_sizes: tuple[int, ...] = ()


class Operation(SpecPart):
    operation_type: str
    parameters: tuple[Parameter, ...] = ()


class NasConfig(SpecPart):
    graph_config: GraphConfig = GraphConfig()
    operations: tuple[Operation, ...] = ()


class BudgetSpec(SpecPart):
    """Ours: limits beside the trial counts."""

    wall_clock_seconds: float | None = Field(default=None, gt=0, le=CENTURY)
    """Seconds from the start (pauses excluded) after which the experiment ends."""


class RetryCause(StrEnum):
    """Ends of an attempt that a person may want to try again; lost and preempted ones always are."""

    ERROR = "Error"
    SIGNAL = "Signal"
    OUT_OF_MEMORY = "OutOfMemory"
    TIMEOUT = "Timeout"


class RetrySpec(SpecPart):
    """Ours: how often one trial is run again after a failure of its own."""

    max_retries: int = Field(default=0, ge=0, le=100)
    causes: tuple[RetryCause, ...] = (RetryCause.ERROR, RetryCause.SIGNAL)


class ExperimentSpec(SpecPart):
    """The `spec:` of an experiment, with its defaults filled in."""

    parameters: tuple[Parameter, ...] = ()
    constraints: tuple[str, ...] = ()
    """Ours: linear, between numbers, such as `a + 2*b <= 0.9`."""
    objective: Objective | None = None
    objectives: tuple[Objective, ...] = ()
    outcome_constraints: tuple[str, ...] = ()
    """Ours: such as `latency_ms <= 20`; a trial that misses one is never the best."""
    algorithm: AlgorithmSpec | None = None
    early_stopping: AlgorithmSpec | None = None
    trial_template: TrialTemplate = TrialTemplate()
    parallel_trial_count: int | None = Field(default=None, gt=0, le=2**31 - 1)
    max_trial_count: int | None = Field(default=None, gt=0, le=2**31 - 1)
    max_failed_trial_count: int | None = Field(default=None, ge=0, le=2**31 - 1)
    metrics_collector_spec: MetricsCollectorSpec = MetricsCollectorSpec()
    nas_config: NasConfig | None = None
    resume_policy: ResumePolicy = ResumePolicy.NEVER
    budget: BudgetSpec = BudgetSpec()
    retry: RetrySpec = RetrySpec()
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    suggested: tuple[dict[str, Scalar], ...] = ()
    """Ours: points to try first; what a point does not say is drawn at random."""
    warm_start: WarmStart | None = None
    """Ours: results that the search learns before the first trial."""

    @property
    def targets(self) -> tuple[Objective, ...]:
        """All objectives, whichever way they were written; validation has seen that there is one."""
        return self.objectives or ((self.objective,) if self.objective else ())

    @property
    def target(self) -> Objective:
        """The first objective; if it is the only one, the one that ranks trials."""
        return self.targets[0]

    @property
    def several(self) -> bool:
        """Are there several objectives? Then not one trial is the best, but a Pareto front."""
        return len(self.targets) > 1

    @property
    def bounds(self) -> tuple[OutcomeConstraint, ...]:
        """The outcome constraints, read; validation has seen that they can be."""
        return tuple(outcome_constraint(text) for text in self.outcome_constraints)

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics to collect, each once, objectives first, then those of the constraints."""
        names = [t.metric for t in self.targets] + [bound.metric for bound in self.bounds]
        return tuple(dict.fromkeys(names + [m for t in self.targets for m in t.additional_metric_names]))

    def strategy(self, metric: str) -> Strategy:
        """Which of a trial's values of `metric` counts: as its own objective says, else the first that names it."""
        named = [t for t in self.targets if metric == t.metric] or [
            t for t in self.targets if metric in (*t.metrics, *(entry.name for entry in t.metric_strategies))
        ]
        return named[0].strategy(metric) if named else Strategy.LATEST

    def value(self, observation: Observation, metric: str) -> float | None:
        """The value of `metric` that counts; None if there is no finite one."""
        summary = observation.get(metric)
        return None if summary is None else summary.finite(self.strategy(metric))

    def values(self, observation: Observation) -> tuple[float | None, ...]:
        """The values of the objectives."""
        return tuple(self.value(observation, target.metric) for target in self.targets)

    def violations(self, observation: Observation) -> tuple[float | None, ...]:
        """By how much each outcome constraint is missed; None where its metric has no value."""
        known = [(bound, self.value(observation, bound.metric)) for bound in self.bounds]
        return tuple(None if value is None else bound.missed(value) for bound, value in known)

    def losses(self, values: Sequence[float]) -> tuple[float, ...]:
        """Values of the objectives as numbers to minimise."""
        return tuple(target.loss(value) for target, value in zip(self.targets, values, strict=True))

    @property
    def parallel(self) -> int:
        assert self.parallel_trial_count is not None
        return self.parallel_trial_count
