"""What a spec must satisfy beyond the shape of its fields; each problem names its place and the
remedy."""

import re
from collections.abc import Iterator

import re2

from events.model import MOST_PARALLEL
from events.spec.collector import CollectorKind, MetricsCollectorSpec
from events.spec.endpoint import http_get_problems
from events.spec.experiment import DEFAULT_PARALLEL, ExperimentSpec
from events.spec.outcomes import parse_outcome_constraint
from events.spec.problem import Path, repeated
from events.spec.problem import Problem as Problem
from events.spec.space_validation import space_problems
from events.spec.template_validation import template_problems
from events.spec.warm_start import warm_start_problems

NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
MAX_NAME = 40
MOST_OBJECTIVES = 4
MOST_CONSTRAINTS = 16


def problems(spec: ExperimentSpec, *, katib: bool) -> Iterator[Problem]:
    """All problems of `spec`; with `katib` also what Katib's webhook would refuse."""
    yield from _objective(spec)
    yield from _outcomes(spec)
    yield from _counts(spec, katib)
    yield from space_problems(spec, katib=katib)
    yield from warm_start_problems(spec.suggested, spec.warm_start)
    if spec.warm_start is not None and spec.multi_objective:
        yield Problem(
            ("spec", "warmStart"),
            "has one value a row, and there are several objectives; keep one, or remove it",
        )
    yield from template_problems(spec, katib=katib)
    yield from _collector(spec.metrics_collector_spec)
    if not spec.metrics_collector_spec.expects_metrics:
        yield from _without_metrics(spec)
    yield from _texts(spec)
    if katib and spec.algorithm is None:
        yield Problem(("spec", "algorithm"), "is required; give an algorithmName, such as random")


def name_problem(name: str) -> Problem | None:
    if NAME.fullmatch(name) and len(name) <= MAX_NAME:
        return None
    return Problem(
        ("metadata", "name"),
        f"{name!r} is not a valid name: at most {MAX_NAME} characters of a-z, 0-9 and -, first a "
        "letter, not - at the "
        "end",
    )


def _objective(spec: ExperimentSpec) -> Iterator[Problem]:
    where: Path = ("spec", "objective")
    if spec.objective is not None and spec.objectives:
        yield Problem(("spec", "objectives"), "give either objective or objectives, not both")
    if not spec.all_objectives:
        yield Problem(
            where,
            "is required: what to optimise, such as {type: minimize, objectiveMetricName: loss}",
        )
    for index, target in enumerate(spec.all_objectives):
        place: Path = ("spec", "objectives", index) if spec.objectives else where
        if not target.metric.strip():
            yield Problem(
                (*place, "objectiveMetricName"), "is empty; name the metric that the trial prints"
            )
        for name in sorted(
            {other.metric for other in spec.all_objectives} & set(target.additional_metric_names)
        ):
            yield Problem(
                (*place, "additionalMetricNames"), f"must not repeat the objective {name!r}"
            )
        if target.reference is not None and not spec.multi_objective:
            yield Problem(
                (*place, "reference"),
                "is for several objectives; remove it, or give a second objective",
            )
    if len(spec.all_objectives) > MOST_OBJECTIVES:
        told = (
            f"{len(spec.all_objectives)} are too many; at most {MOST_OBJECTIVES}: make the others "
            "outcomeConstraints"
        )
        yield Problem(("spec", "objectives"), told)
    for metric in repeated(target.metric for target in spec.all_objectives):
        yield Problem(("spec", "objectives"), f"the metric {metric!r} is listed twice")


def _outcomes(spec: ExperimentSpec) -> Iterator[Problem]:
    where: Path = ("spec", "outcomeConstraints")
    read: dict[tuple[str, bool], float] = {}
    if len(spec.outcome_constraints) > MOST_CONSTRAINTS:
        yield Problem(
            where, f"{len(spec.outcome_constraints)} are too many; at most {MOST_CONSTRAINTS}"
        )
    for index, text in enumerate(spec.outcome_constraints):
        try:
            constraint = parse_outcome_constraint(text)
        except ValueError as error:
            yield Problem((*where, index), str(error))
            continue
        side = (constraint.metric, constraint.upper)
        if side in read:
            yield Problem(
                (*where, index),
                f"{constraint.metric!r} has such a bound already; keep one of the two",
            )
        read[side] = constraint.bound
    for metric, _ in (side for side in read if side[1]):
        lower = read.get((metric, False))
        if lower is not None and lower > read[metric, True]:
            yield Problem(
                where, f"{metric!r} cannot be both >= {lower:g} and <= {read[metric, True]:g}"
            )


def _counts(spec: ExperimentSpec, katib: bool) -> Iterator[Problem]:
    total, parallel, failed = (
        spec.max_trial_count,
        spec.parallel_trial_count,
        spec.max_failed_trial_count,
    )
    defaulted = (
        parallel == DEFAULT_PARALLEL and not katib
    )  # so that a small budget can be extended later
    if parallel is not None and parallel > MOST_PARALLEL:
        yield Problem(
            ("spec", "parallelTrialCount"),
            f"{parallel} trials at a time are too many; at most {MOST_PARALLEL:,} are allowed",
        )
    elif total is not None and parallel is not None and parallel > total and not defaulted:
        yield Problem(
            ("spec", "parallelTrialCount"),
            f"{parallel} is more than maxTrialCount, {total}; lower it or raise that",
        )
    if total is not None and failed is not None and failed > total:
        yield Problem(
            ("spec", "maxFailedTrialCount"),
            f"{failed} is more than maxTrialCount, {total}; lower it or raise that",
        )


def _collector(spec: MetricsCollectorSpec) -> Iterator[Problem]:
    where: Path = ("spec", "metricsCollectorSpec")
    path = spec.source.file_system_path if spec.source else None
    place = (*where, "source", "fileSystemPath")
    if spec.collector.kind.has_path and path is not None:
        kind = "File" if spec.collector.kind is CollectorKind.FILE else "Directory"
        if path.kind not in (None, kind):
            yield Problem(
                (*place, "kind"),
                f"{path.kind!r} must be {kind} for collector kind {spec.collector.kind.value}",
            )
        if path.path is not None and not path.path.startswith("/"):
            yield Problem((*place, "path"), f"{path.path!r} must be absolute")
    if spec.collector.kind is CollectorKind.CUSTOM and spec.collector.custom_collector is None:
        yield Problem(
            (*where, "collector", "customCollector"),
            "is required for kind Custom: a container whose program appends reports to the file in "
            "TRIALSTREAM_REPORT_FILE",
        )
    if spec.source and spec.source.http_get:
        yield from http_get_problems(spec.source.http_get, (*where, "source", "httpGet"))
    if spec.collector.kind is CollectorKind.TENSORFLOW_EVENT and path and path.format:
        yield Problem(
            (*place, "format"), f"{path.format.value} has no meaning for event files; remove it"
        )
    if spec.format.value == "JSON" and spec.source is not None and spec.source.filter is not None:
        yield Problem((*where, "source", "filter"), "cannot be used with format JSON; remove it")
    if spec.preset is not None and spec.filters:
        yield Problem((*where, "source", "filter"), "give either preset or metricsFormat, not both")
    for index, expression in enumerate(spec.filters):
        at = (*where, "source", "filter", "metricsFormat", index)
        try:
            groups = re2.compile(expression, _quiet()).groups
        except re2.error as error:
            yield Problem(at, f"{expression!r} is not an RE2 expression: {_words(error)}")
            continue
        if groups < 2:
            yield Problem(
                at, f"{expression!r} has {groups} group(s); two are needed: (name) and (value)"
            )


def _without_metrics(spec: ExperimentSpec) -> Iterator[Problem]:
    """What needs metrics, where none are collected."""
    told = "needs metrics, and the collector None reads none; remove it, or the collector"
    if any(target.goal is not None for target in spec.all_objectives):
        yield Problem(("spec", "objective", "goal"), told)
    if spec.outcome_constraints:
        yield Problem(("spec", "outcomeConstraints"), told)
    if spec.early_stopping is not None:
        yield Problem(("spec", "earlyStopping"), told)


def _texts(spec: ExperimentSpec) -> Iterator[Problem]:
    """What needs numbers, where the filters find texts alone."""
    reads_text = spec.metrics_collector_spec.reads_text
    read = [t.metric for t in spec.all_objectives if reads_text(t.metric)]
    if read:
        told = f"needs numbers, and by its filters {read[0]!r} is a text; remove it, or the filter"
        if spec.multi_objective:
            yield Problem(("spec", "objectives"), told)
        elif spec.first_objective.goal is not None:
            yield Problem(("spec", "objective", "goal"), told)
        if spec.early_stopping is not None:
            yield Problem(("spec", "earlyStopping"), told)
    for index, text in enumerate(spec.outcome_constraints):
        try:
            metric = parse_outcome_constraint(text).metric
        except ValueError:
            continue
        if reads_text(metric):
            told = (
                f"needs numbers, and by its filters {metric!r} is a text; remove it, or the filter"
            )
            yield Problem(("spec", "outcomeConstraints", index), told)


def _quiet() -> re2.Options:
    """RE2 would print what is wrong to stderr, too."""
    options = re2.Options()
    options.log_errors = False
    return options


def _words(error: Exception) -> str:
    message = error.args[0] if error.args else error
    return message.decode(errors="replace") if isinstance(message, bytes) else str(message)
