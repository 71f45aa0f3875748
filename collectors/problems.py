"""Checks of a spec for what no collector can do; not imported by collectors, which stay small."""

from collections.abc import Iterator

from events.metrics import MAX_METRIC_NAME
from events.spec.collector import CollectorKind
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Problem

WORKING = (
    CollectorKind.STDOUT,
    CollectorKind.FILE,
    CollectorKind.TENSORFLOW_EVENT,
    CollectorKind.PROMETHEUS,
    CollectorKind.PUSH,
    CollectorKind.CUSTOM,
    CollectorKind.NONE,
)


def problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """What of `spec` no collector can do yet."""
    kind = spec.metrics_collector_spec.collector.kind
    if kind not in WORKING:
        works = ", ".join(each.value for each in WORKING)
        place = ("spec", "metricsCollectorSpec", "collector", "kind")
        yield Problem(
            place,
            f"{kind.value} is not supported yet; {works} work now: print name=value or "
            "write it to a file",
        )
    for index, target in enumerate(spec.all_objectives):
        where = ("spec", "objectives", index) if spec.objectives else ("spec", "objective")
        yield from _too_long(target.metric, (*where, "objectiveMetricName"))
        for position, name in enumerate(target.additional_metric_names):
            yield from _too_long(name, (*where, "additionalMetricNames", position))


def _too_long(name: str, place: tuple[str | int, ...]) -> Iterator[Problem]:
    if len(name) > MAX_METRIC_NAME:
        yield Problem(place, f"has {len(name)} characters; at most {MAX_METRIC_NAME} are allowed")
