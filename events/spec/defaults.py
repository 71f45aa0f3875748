"""What an experiment has that its file does not say."""

from contextlib import suppress

from events.spec.collector import Preset
from events.spec.experiment import DEFAULT_PARALLEL, ExperimentSpec
from events.spec.objective import MetricStrategy, Objective, Strategy
from events.spec.outcomes import parse_outcome_constraint
from events.spec.template import TrialTemplate


def with_defaults(spec: ExperimentSpec, *, katib: bool = True) -> ExperimentSpec:
    """Fill in Katib's defaults, so that equal experiments have equal specs; not `katib`: those of
    our own files."""
    parallel = spec.parallel_trial_count
    if parallel is None:
        parallel = DEFAULT_PARALLEL
    if not katib:
        spec = _with_preset(spec)
    latest = _bounded(spec) if katib else _bounded(spec) | _additional(spec)
    return spec.model_copy(
        update={
            "parallel_trial_count": parallel,
            "objective": _with_strategies(spec.objective, latest) if spec.objective else None,
            "objectives": tuple(_with_strategies(target, latest) for target in spec.objectives),
            "trial_template": _with_conditions(spec.trial_template),
        }
    )


def _with_preset(spec: ExperimentSpec) -> ExperimentSpec:
    """With the filter of our own files, where none is given.

    It is written into the spec: one that has none was Katib's, or of an earlier version, and means
    Katib's filter.
    """
    collector = spec.metrics_collector_spec.with_preset(Preset.AUTO)
    return spec.model_copy(update={"metrics_collector_spec": collector})


def _bounded(spec: ExperimentSpec) -> set[str]:
    """The metrics of the outcome constraints that can be read. Of these metrics the last value
    counts."""
    bounded: set[str] = set()
    for text in spec.outcome_constraints:
        with suppress(ValueError):
            bounded.add(parse_outcome_constraint(text).metric)
    return bounded


def _additional(spec: ExperimentSpec) -> set[str]:
    """The metrics that are no objective. Katib shows the extreme of each in the objective's
    direction: the lowest accuracy beside the lowest loss."""
    objectives = {target.metric for target in spec.all_objectives}
    named = {name for target in spec.all_objectives for name in target.additional_metric_names}
    return named - objectives


def _with_strategies(objective: Objective, latest: set[str]) -> Objective:
    """`latest`: the metrics of which the last value counts unless another is asked for."""
    named = {entry.name for entry in objective.metric_strategies}
    missing = [metric for metric in objective.metrics if metric not in named]
    latest = latest - {objective.metric}
    added = tuple(
        MetricStrategy(
            name=metric, value=Strategy.LATEST if metric in latest else objective.strategy(metric)
        )
        for metric in missing
    )
    return objective.model_copy(update={"metric_strategies": objective.metric_strategies + added})


_ROLE = {"training.kubeflow.org/job-role": "master"}
_NODE = {
    "jobset.sigs.k8s.io/replicatedjob-name": "node",
    "batch.kubernetes.io/job-completion-index": "0",
}
# kind → condition type of success, labels of the primary pod
_KINDS: dict[str, tuple[str, dict[str, str]]] = {
    "Job": ("Complete", {}),
    "TrainJob": ("Complete", _NODE),
    **dict.fromkeys(("TFJob", "PyTorchJob", "XGBoostJob", "MPIJob"), ("Succeeded", _ROLE)),
}

KINDS_WITH_CONDITIONS = tuple(_KINDS)
"""Kinds of workloads whose success and failure conditions need not be given."""


def _with_conditions(template: TrialTemplate) -> TrialTemplate:
    kind = _KINDS.get(str((template.trial_spec or {}).get("kind")))
    if kind is None:
        return template
    success, labels = kind
    condition = 'status.conditions.#(type=="{}")#|#(status=="True")#'
    return template.model_copy(
        update={
            "success_condition": template.success_condition or condition.format(success),
            "failure_condition": template.failure_condition or condition.format("Failed"),
            "primary_pod_labels": template.primary_pod_labels or labels,
        }
    )
