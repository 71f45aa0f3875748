"""What a spec must satisfy beyond the shape of its fields; each problem names its place and the remedy."""

import re
from collections import Counter
from collections.abc import Iterator

import re2

from events.spec.collector import CollectorKind, MetricsCollectorSpec
from events.spec.conditions import condition_problems
from events.spec.constraints import constraint_problems
from events.spec.experiment import DEFAULT_PARALLEL, ExperimentSpec
from events.spec.outcomes import outcome_constraint
from events.spec.placeholders import METADATA, TemplateError, entangled, metadata_value, placeholders, placeholders_of
from events.spec.problem import Path
from events.spec.problem import Problem as Problem
from events.spec.space import Distribution, Parameter, ParameterType, number
from events.spec.template import TrialTemplate
from events.spec.warm_start import knowledge_problems

NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
MAX_NAME = 40
_ENTANGLED = (
    "{0} stands for a parameter with a condition, and could not be left out of a longer text; make it an item or a "
    "value of its own (such as --option={0}), or let the program read TRIALSTREAM_PARAMETERS"
)
MOST_OBJECTIVES = 4
MOST_CONSTRAINTS = 16


def problems(spec: ExperimentSpec, *, katib: bool) -> Iterator[Problem]:
    """All problems of `spec`; with `katib` also what Katib's webhook would refuse."""
    yield from _objective(spec)
    yield from _outcomes(spec)
    yield from _counts(spec, katib)
    yield from _parameters(spec, katib)
    yield from knowledge_problems(spec.suggested, spec.warm_start)
    if spec.warm_start is not None and spec.several:
        yield Problem(
            ("spec", "warmStart"), "has one value a row, and there are several objectives; keep one, or remove it"
        )
    yield from _template(spec, katib)
    yield from _collector(spec.metrics_collector_spec)
    if katib and spec.algorithm is None:
        yield Problem(("spec", "algorithm"), "is required; give an algorithmName, such as random")


def name_problem(name: str) -> Problem | None:
    if NAME.fullmatch(name) and len(name) <= MAX_NAME:
        return None
    return Problem(
        ("metadata", "name"),
        f"{name!r} is not a valid name: at most {MAX_NAME} characters of a-z, 0-9 and -, first a letter, not - at the "
        "end",
    )


def _objective(spec: ExperimentSpec) -> Iterator[Problem]:
    where: Path = ("spec", "objective")
    if spec.objective is not None and spec.objectives:
        yield Problem(("spec", "objectives"), "give either objective or objectives, not both")
    if not spec.targets:
        yield Problem(where, "is required: what to optimise, such as {type: minimize, objectiveMetricName: loss}")
    for index, target in enumerate(spec.targets):
        place: Path = ("spec", "objectives", index) if spec.objectives else where
        if not target.metric.strip():
            yield Problem((*place, "objectiveMetricName"), "is empty; name the metric that the trial prints")
        for name in sorted({other.metric for other in spec.targets} & set(target.additional_metric_names)):
            yield Problem((*place, "additionalMetricNames"), f"must not repeat the objective {name!r}")
        if target.reference is not None and not spec.several:
            yield Problem((*place, "reference"), "is for several objectives; remove it, or give a second objective")
    if len(spec.targets) > MOST_OBJECTIVES:
        told = f"{len(spec.targets)} are too many; at most {MOST_OBJECTIVES}: make the others outcomeConstraints"
        yield Problem(("spec", "objectives"), told)
    for repeated in _repeated(target.metric for target in spec.targets):
        yield Problem(("spec", "objectives"), f"the metric {repeated!r} is listed twice")


def _outcomes(spec: ExperimentSpec) -> Iterator[Problem]:
    where: Path = ("spec", "outcomeConstraints")
    read: dict[tuple[str, bool], float] = {}
    if len(spec.outcome_constraints) > MOST_CONSTRAINTS:
        yield Problem(where, f"{len(spec.outcome_constraints)} are too many; at most {MOST_CONSTRAINTS}")
    for index, text in enumerate(spec.outcome_constraints):
        try:
            constraint = outcome_constraint(text)
        except ValueError as error:
            yield Problem((*where, index), str(error))
            continue
        side = (constraint.metric, constraint.upper)
        if side in read:
            yield Problem((*where, index), f"{constraint.metric!r} has such a bound already; keep one of the two")
        read[side] = constraint.bound
    for metric, _ in (side for side in read if side[1]):
        lower = read.get((metric, False))
        if lower is not None and lower > read[metric, True]:
            yield Problem(where, f"{metric!r} cannot be both >= {lower:g} and <= {read[metric, True]:g}")


def _counts(spec: ExperimentSpec, katib: bool) -> Iterator[Problem]:
    total, parallel, failed = spec.max_trial_count, spec.parallel_trial_count, spec.max_failed_trial_count
    defaulted = parallel == DEFAULT_PARALLEL and not katib  # so that a small budget can be extended later
    if total is not None and parallel is not None and parallel > total and not defaulted:
        yield Problem(
            ("spec", "parallelTrialCount"), f"{parallel} is more than maxTrialCount, {total}; lower it or raise that"
        )
    if total is not None and failed is not None and failed > total:
        yield Problem(
            ("spec", "maxFailedTrialCount"), f"{failed} is more than maxTrialCount, {total}; lower it or raise that"
        )


def _parameters(spec: ExperimentSpec, katib: bool) -> Iterator[Problem]:
    where: Path = ("spec", "parameters")
    if spec.nas_config is not None:
        if spec.parameters:
            yield Problem(where, "give either parameters or nasConfig, not both")
        return
    if not spec.parameters:
        yield Problem(where, "is empty; list at least one parameter to tune")
    for name in _repeated(parameter.name for parameter in spec.parameters):
        yield Problem(where, f"the name {name!r} is listed twice; names must differ")
    for index, parameter in enumerate(spec.parameters):
        yield from _parameter(parameter, (*where, index))
        if katib and parameter.condition:
            yield Problem((*where, index, "condition"), "is Trialstream's: use apiVersion trialstream.io/v1alpha1")
    yield from condition_problems(spec.parameters)
    yield from constraint_problems(spec.parameters, spec.constraints)


def _parameter(parameter: Parameter, place: Path) -> Iterator[Problem]:
    if not parameter.name or re.search(r"[{}\s]", parameter.name):
        yield Problem((*place, "name"), f"{parameter.name!r} must be non-empty, without braces or spaces")
    space = (*place, "feasibleSpace")
    if parameter.type in (ParameterType.DOUBLE, ParameterType.INT):
        yield from _range(parameter, space)
    else:
        yield from _values(parameter, space)


def _range(parameter: Parameter, place: Path) -> Iterator[Problem]:
    space = parameter.space
    kind = parameter.type.value
    if space.list:
        yield Problem(
            (*place, "list"), f"does not go with type {kind}; use min and max, or type discrete or categorical"
        )
    if space.min is None or space.max is None:
        missing = " and ".join(name for name, value in (("min", space.min), ("max", space.max)) if value is None)
        yield Problem((*place, "max" if space.max is None else "min"), f"type {kind} needs {missing}")
        return
    if parameter.type is ParameterType.INT:
        for field, value in (("min", space.min), ("max", space.max), ("step", space.step)):
            if value is not None and value != int(value):
                yield Problem((*place, field), f"{value} is not a whole number; use type double, or a whole number")
    if space.min > space.max:
        yield Problem((*place, "min"), f"{space.min} is greater than max, {space.max}; swap them")
    if space.step is not None and space.step <= 0:
        yield Problem((*place, "step"), f"{space.step} must be greater than 0")
    if space.distribution in (Distribution.LOG_UNIFORM, Distribution.LOG_NORMAL) and space.min <= 0:
        yield Problem((*place, "min"), f"{space.distribution.value} needs min > 0, not {space.min}")


def _values(parameter: Parameter, place: Path) -> Iterator[Problem]:
    space = parameter.space
    kind = parameter.type.value
    for field in ("min", "max", "step"):
        if getattr(space, field) is not None:
            yield Problem((*place, field), f"does not go with type {kind}; use list, or type double or int")
    if not space.list:
        yield Problem((*place, "list"), f"type {kind} needs at least one value")
    for name in _repeated(str(value) for value in space.list):
        yield Problem((*place, "list"), f"the value {name!r} is listed twice")
    if parameter.type is ParameterType.DISCRETE:
        for index, value in enumerate(space.list):
            try:
                number(value)
            except ValueError:
                yield Problem((*place, "list", index), f"{value!r} is not a number; use type categorical for words")
    if space.distribution is not Distribution.UNIFORM:
        yield Problem(
            (*place, "distribution"),
            f"{space.distribution.value} does not go with type {kind}; values are drawn uniformly",
        )


def _template(spec: ExperimentSpec, katib: bool) -> Iterator[Problem]:
    template = spec.trial_template
    where: Path = ("spec", "trialTemplate")
    sources = [template.trial_spec is not None, template.config_map is not None, template.command is not None]
    if sum(sources) != 1:
        choice = "trialSpec and configMap" if katib else "command, trialSpec and configMap"
        yield Problem(where, f"give exactly one of {choice}")
        return
    if template.command is not None and not template.command:
        yield Problem((*where, "command"), "is empty; give the program and its arguments, such as [python, train.py]")
    if template.command is None:
        yield from _manifest(template, where)
    if template.command is None and not template.trial_parameters:
        yield Problem((*where, "trialParameters"), "is required: which placeholder stands for which parameter")
    yield from _references(spec, where)


def _manifest(template: TrialTemplate, where: Path) -> Iterator[Problem]:
    if not template.primary_container_name:
        yield Problem((*where, "primaryContainerName"), "is required: the name of the container that trains")
    tree = template.trial_spec
    for field, value in (
        ("successCondition", template.success_condition),
        ("failureCondition", template.failure_condition),
    ):
        if not value:
            place = "a template in a ConfigMap" if tree is None else f"kind {tree.get('kind')}"
            yield Problem(
                (*where, field), f"is required for {place}: a GJSON path that holds when the trial has ended so"
            )
    if tree is None:
        return
    for field in ("apiVersion", "kind"):
        if not isinstance(tree.get(field), str):
            yield Problem((*where, "trialSpec", field), "is required")
    metadata = tree.get("metadata")
    for field in ("name", "namespace"):
        if isinstance(metadata, dict) and field in metadata:
            yield Problem((*where, "trialSpec", "metadata", field), "must be absent; each trial gets its own")


def _references(spec: ExperimentSpec, where: Path) -> Iterator[Problem]:
    template = spec.trial_template
    names = {parameter.name for parameter in spec.parameters}
    used = set(placeholders(template.trial_spec)) | set(placeholders(template.command))
    declared = {parameter.name for parameter in template.trial_parameters} or names
    known = ", ".join(sorted(names))
    for index, entry in enumerate(template.trial_parameters):
        place = (*where, "trialParameters", index)
        if not entry.name or "{" in entry.name or "}" in entry.name:
            yield Problem((*place, "name"), f"{entry.name!r} must be non-empty, without braces")
        if METADATA.match(entry.reference):
            try:
                metadata_value(entry.reference, template, "trial", "namespace")
            except TemplateError as error:
                yield Problem((*place, "reference"), str(error))
        elif names and entry.reference not in names:
            yield Problem((*place, "reference"), f"{entry.reference!r} is not a declared parameter; declared: {known}")
        if entry.name not in used and template.config_map is None:
            yield Problem(
                (*place, "name"), f"${{trialParameters.{entry.name}}} does not occur in the template; use it there"
            )
    for field in ("name", "reference"):
        for value in _repeated(getattr(entry, field) for entry in template.trial_parameters):
            yield Problem((*where, "trialParameters"), f"the {field} {value!r} is listed twice")
    for name in sorted(used - declared):
        wanted = "trialParameters" if template.trial_parameters else "parameters"
        yield Problem(
            where, f"${{trialParameters.{name}}} is not declared in {wanted}; declared: {', '.join(sorted(declared))}"
        )
    conditional = placeholders_of(template, {parameter.name for parameter in spec.parameters if parameter.condition})
    for name in dict.fromkeys(entangled((template.command, template.trial_spec), conditional)):
        yield Problem(where, _ENTANGLED.format(f"${{trialParameters.{name}}}"))
    if template.command and conditional & set(placeholders(template.command[0])):
        yield Problem((*where, "command", 0), "is a parameter with a condition; a trial without it has no program")
    unused = names - {entry.reference for entry in template.trial_parameters}
    if template.trial_parameters and unused:
        yield Problem(
            (*where, "trialParameters"), f"no entry refers to {', '.join(sorted(unused))}; every parameter must be used"
        )


def _collector(spec: MetricsCollectorSpec) -> Iterator[Problem]:
    where: Path = ("spec", "metricsCollectorSpec")
    path = spec.source.file_system_path if spec.source else None
    place = (*where, "source", "fileSystemPath")
    if spec.collector.kind is CollectorKind.FILE and path is not None:
        if path.kind not in (None, "File"):
            yield Problem((*place, "kind"), f"{path.kind!r} must be File for collector kind File")
        if path.path is not None and not path.path.startswith("/"):
            yield Problem((*place, "path"), f"{path.path!r} must be absolute")
    if spec.format.value == "JSON" and spec.source is not None and spec.source.filter is not None:
        yield Problem((*where, "source", "filter"), "does not go with format JSON; remove it")
    for index, expression in enumerate(spec.filters):
        at = (*where, "source", "filter", "metricsFormat", index)
        try:
            groups = re2.compile(expression, _quiet()).groups
        except re2.error as error:
            yield Problem(at, f"{expression!r} is not an RE2 expression: {_words(error)}")
            continue
        if groups < 2:
            yield Problem(at, f"{expression!r} has {groups} group(s); two are needed: (name) and (value)")


def _quiet() -> re2.Options:
    """RE2 would print what is wrong to stderr, too."""
    options = re2.Options()
    options.log_errors = False
    return options


def _words(error: Exception) -> str:
    message = error.args[0] if error.args else error
    return message.decode(errors="replace") if isinstance(message, bytes) else str(message)


def _repeated(values: Iterator[str] | Iterator[object]) -> list[object]:
    return [value for value, times in Counter(values).items() if times > 1]
