"""The ears: turn what a trial prints or writes into measurements."""

from collections.abc import Iterator, Sequence

from collectors.json_lines import JsonLines
from collectors.reading import Parser, Reading
from collectors.text import Text
from events.metrics import MAX_METRIC_NAME
from events.spec import CollectorKind, ExperimentSpec, FileFormat, MetricsCollectorSpec
from events.validation import Problem

__all__ = ["Parser", "Reading", "parser", "problems"]

WORKING = (CollectorKind.STDOUT, CollectorKind.FILE)


def parser(spec: MetricsCollectorSpec, metrics: Sequence[str]) -> Parser:
    """What reads the lines that `spec` describes and finds the wanted `metrics` in them.

    Names of more than MAX_METRIC_NAME characters are never found. Raises re2.error for a filter that is no RE2.
    """
    wanted = [metric for metric in metrics if 0 < len(metric) <= MAX_METRIC_NAME]
    if spec.format is FileFormat.JSON:
        return JsonLines(wanted)
    return Text(wanted, spec.filters)


def problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """What of `spec` no collector can do yet."""
    kind = spec.metrics_collector_spec.collector.kind
    if kind not in WORKING:
        works = " and ".join(each.value for each in WORKING)
        place = ("spec", "metricsCollectorSpec", "collector", "kind")
        yield Problem(place, f"{kind.value} is still to come; {works} work now: print name=value or write it to a file")
    for index, target in enumerate(spec.targets):
        where = ("spec", "objectives", index) if spec.objectives else ("spec", "objective")
        yield from _too_long(target.metric, (*where, "objectiveMetricName"))
        for position, name in enumerate(target.additional_metric_names):
            yield from _too_long(name, (*where, "additionalMetricNames", position))


def _too_long(name: str, place: tuple[str | int, ...]) -> Iterator[Problem]:
    if len(name) > MAX_METRIC_NAME:
        yield Problem(place, f"has {len(name)} characters; at most {MAX_METRIC_NAME} are allowed")
