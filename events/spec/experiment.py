"""The one ExperimentSpec: Katib's schema (v1beta1) and Trialstream's additions."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from events.model import LONGEST_SECONDS, MOST_PARALLEL, Many, MappingKey, Seed, SpecPart, Text
from events.spec.algorithm import AlgorithmSpec
from events.spec.collector import MetricsCollectorSpec
from events.spec.nas import NasConfig
from events.spec.objective import Objective, Observation, Strategy
from events.spec.outcomes import OutcomeConstraint, parse_outcome_constraint
from events.spec.space import Parameter, Scalar
from events.spec.template import TrialTemplate
from events.spec.warm_start import WarmStart

DEFAULT_PARALLEL = 3


class ResumePolicy(StrEnum):
    NEVER = "Never"
    LONG_RUNNING = "LongRunning"
    FROM_VOLUME = "FromVolume"


class BudgetSpec(SpecPart):
    """Ours: limits beside the trial counts."""

    wall_clock_seconds: float | None = Field(default=None, gt=0, le=LONGEST_SECONDS)
    """Seconds from the start (pauses excluded) after which the experiment ends."""


class RetryCause(StrEnum):
    """Ends of an attempt that a person may want to try again; lost and preempted ones always
    are."""

    ERROR = "Error"
    SIGNAL = "Signal"
    OUT_OF_MEMORY = "OutOfMemory"
    TIMEOUT = "Timeout"


class RetrySpec(SpecPart):
    """Ours: how often one trial is run again after a failure of its own."""

    max_retries: int = Field(default=0, ge=0, le=100)
    causes: Annotated[tuple[RetryCause, ...], Many] = (RetryCause.ERROR, RetryCause.SIGNAL)


class ExperimentSpec(SpecPart):
    """The `spec:` of an experiment, with its defaults filled in."""

    parameters: Annotated[tuple[Parameter, ...], Many] = ()
    constraints: Annotated[tuple[Text, ...], Many] = ()
    """Ours: linear, between numbers, such as `a + 2*b <= 0.9`."""
    objective: Objective | None = None
    objectives: Annotated[tuple[Objective, ...], Many] = ()
    outcome_constraints: Annotated[tuple[Text, ...], Many] = ()
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
    seed: Seed | None = None
    suggested: Annotated[tuple[Annotated[dict[MappingKey, Scalar], Many], ...], Many] = ()
    """Ours: points to try first; what a point does not say is drawn at random."""
    warm_start: WarmStart | None = None
    """Ours: results that the search learns before the first trial."""

    @property
    def all_objectives(self) -> tuple[Objective, ...]:
        """The objectives, written as `objective` or as `objectives`; validation has seen that there
        is one."""
        return self.objectives or ((self.objective,) if self.objective else ())

    @property
    def first_objective(self) -> Objective:
        """The first objective; if it is the only one, it ranks the trials."""
        return self.all_objectives[0]

    @property
    def multi_objective(self) -> bool:
        """Are there several objectives? Then the best trials are a Pareto front."""
        return len(self.all_objectives) > 1

    @property
    def outcome_bounds(self) -> tuple[OutcomeConstraint, ...]:
        """The outcome constraints as objects; validation has seen that they can be read."""
        return tuple(parse_outcome_constraint(text) for text in self.outcome_constraints)

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics to collect, each once, objectives first, then those of the constraints."""
        names = [t.metric for t in self.all_objectives] + [
            bound.metric for bound in self.outcome_bounds
        ]
        return tuple(
            dict.fromkeys(
                names + [m for t in self.all_objectives for m in t.additional_metric_names]
            )
        )

    def strategy(self, metric: str) -> Strategy:
        """Which of a trial's values of `metric` counts: as its own objective says, else the first
        that names it."""
        named = [t for t in self.all_objectives if metric == t.metric] or [
            t
            for t in self.all_objectives
            if metric in (*t.metrics, *(entry.name for entry in t.metric_strategies))
        ]
        return named[0].strategy(metric) if named else Strategy.LATEST

    def value(self, observation: Observation, metric: str) -> float | None:
        """The value of `metric` that counts; None if there is no finite one."""
        summary = observation.get(metric)
        return None if summary is None else summary.finite(self.strategy(metric))

    def value_or_text(self, observation: Observation, metric: str) -> float | str | None:
        """As `value`, or else the last text of the metric."""
        value, summary = self.value(observation, metric), observation.get(metric)
        return summary.text if value is None and summary is not None else value

    def values(self, observation: Observation) -> tuple[float | None, ...]:
        """The values of the objectives."""
        return tuple(self.value(observation, target.metric) for target in self.all_objectives)

    def violations(self, observation: Observation) -> tuple[float | None, ...]:
        """By how much each outcome constraint is missed; None where its metric has no value."""
        known = [(bound, self.value(observation, bound.metric)) for bound in self.outcome_bounds]
        return tuple(None if value is None else bound.missed(value) for bound, value in known)

    def losses(self, values: Sequence[float]) -> tuple[float, ...]:
        """Values of the objectives as numbers to minimise."""
        return tuple(
            target.loss(value) for target, value in zip(self.all_objectives, values, strict=True)
        )

    @property
    def parallel(self) -> int:
        """Trials at a time; experiments of earlier versions may ask for more than is allowed."""
        assert self.parallel_trial_count is not None
        return min(self.parallel_trial_count, MOST_PARALLEL)
