"""What an experiment would do, before anything of it runs."""

from collections.abc import Iterator
from typing import Any

from algorithms.search import algorithm_of, picks
from algorithms.search.feasibility import allowed_points
from algorithms.search.sampling import random_search
from algorithms.space.dimension import dimension
from algorithms.space.encoding import MIDDLE, Cube
from controller.views import words
from controller.views.warm_start import known_before
from events.spec.document import ExperimentDocument
from events.spec.experiment import ExperimentSpec
from events.spec.space import Assignment, Condition, Parameter, ParameterType

PARAMETER_TITLES = ("name", "type", "from", "to", "values", "distribution", "exists if")


def plan(document: ExperimentDocument, timeout: float | None) -> Iterator[tuple[str, str]]:
    """What the experiment would do, as titles and texts; `timeout` is in seconds, of one trial."""
    spec = document.spec
    yield "Name", f"{document.name} (namespace {document.namespace})"
    yield "Objectives" if spec.multi_objective else "Objective", "\n".join(_objectives(spec))
    if spec.outcome_constraints:
        yield "Constraints", "\n".join(_constraints(spec))
    yield "Algorithm", algorithm_plan(spec)
    yield (
        "Early stopping",
        _settings(spec.early_stopping.algorithm_name, spec.early_stopping.settings)
        if spec.early_stopping
        else "none",
    )
    if spec.constraints:
        yield "Constraints", "\n".join(spec.constraints)
    yield from known_before(spec)
    yield "Trials", "\n".join(_budgets(spec))
    if timeout is not None:
        yield "Time a trial", f"at most {words.duration(timeout)}"
    yield "Retries", _retries(spec)
    yield "Metrics from", _collector(spec)


def parameter_rows(spec: ExperimentSpec) -> list[tuple[str, ...]]:
    """A row under PARAMETER_TITLES for each parameter."""
    return [(*_range(parameter), condition(parameter.condition)) for parameter in spec.parameters]


def example_point(spec: ExperimentSpec) -> Assignment:
    """The middle of the search space, or a random point if the constraints do not allow that."""
    cube = Cube.of(spec)
    middle = cube.decode([MIDDLE] * cube.width)
    return middle if cube.allows(middle) else random_search(cube, 0).ask(1)[0]


def _objectives(spec: ExperimentSpec) -> Iterator[str]:
    for target in spec.all_objectives:
        more = (
            f"; also recorded: {', '.join(target.additional_metric_names)}"
            if target.additional_metric_names
            else ""
        )
        yield (
            f"{words.objective_words(target)}, a trial's value is its "
            f"{target.strategy(target.metric).value}{more}"
        )


def _constraints(spec: ExperimentSpec) -> Iterator[str]:
    for text, bound in zip(spec.outcome_constraints, spec.outcome_bounds, strict=True):
        yield f"{text}, a trial's value is its {spec.strategy(bound.metric).value}"


def algorithm_plan(spec: ExperimentSpec) -> str:
    """The search, its settings, and what `auto` picks."""
    name = algorithm_of(spec)
    text = _settings(name, spec.algorithm.settings if spec.algorithm else {})
    picked = picks(spec)
    return f"{text}; auto picks {picked}" if picked else text


def _settings(name: str, settings: dict[str, Any]) -> str:
    return f"{name} ({words.assignment(settings)})" if settings else name


def _budgets(spec: ExperimentSpec) -> Iterator[str]:
    total = f"{spec.max_trial_count:,}" if spec.max_trial_count else "without limit"
    yield f"{total}, {spec.parallel} at a time"
    size = allowed_points(Cube.of(spec))
    if size is not None and (spec.max_trial_count is None or size < spec.max_trial_count):
        yield f"the search space has only {size:,} points; the experiment ends when all are tried"
    if spec.max_failed_trial_count is not None:
        yield f"fails after {words.count(spec.max_failed_trial_count, 'failed trial')}"
    if spec.budget.wall_clock_seconds is not None:
        yield f"ends after {words.duration(spec.budget.wall_clock_seconds)}"


def _retries(spec: ExperimentSpec) -> str:
    if not spec.retry.max_retries:
        return "none for a trial's own failures"
    return f"{spec.retry.max_retries} after {', '.join(spec.retry.causes)}"


def _collector(spec: ExperimentSpec) -> str:
    collector = spec.metrics_collector_spec
    kind = collector.collector.kind.value
    if kind == "PrometheusMetric":
        return f"{kind} {collector.http_get.place}"
    return f"{kind} {collector.path} ({collector.format.value})" if kind == "File" else kind


def _range(parameter: Parameter) -> tuple[str, ...]:
    """Name, type, lowest and highest value, how many values there are, and which or how they are
    spread."""
    side = dimension(parameter)
    size = f"{side.size:,}" if side.size is not None else "any"
    if parameter.type in (ParameterType.CATEGORICAL, ParameterType.DISCRETE):
        values = [words.scalar(value) for value in parameter.space.list]
        return (parameter.name, parameter.type, "-", "-", size, _shortened(", ".join(values)))
    low, high = words.scalar(side.decode(0.0)), words.scalar(side.decode(1.0))
    step = (
        f", step {words.number(parameter.space.step)}" if parameter.space.step is not None else ""
    )
    return (
        parameter.name,
        parameter.type,
        low,
        high,
        size,
        f"{parameter.space.distribution}{step}",
    )


def condition(given: Condition | None) -> str:
    """When a parameter exists, such as `optimizer is sgd or adam`."""
    if given is None:
        return "always"
    if given.range is not None:
        low, high = map(words.number, given.range)
        return f"{given.parameter} is {low} to {high}"
    values = given.in_ if given.in_ is not None else (given.equals,)
    return _shortened(
        f"{given.parameter} is "
        f"{' or '.join(words.scalar(one) for one in values if one is not None)}"
    )


def _shortened(text: str, most: int = 100) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
