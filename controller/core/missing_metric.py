"""Why a metric that a trial is judged by has no value, in words."""

from collections.abc import Iterator, Sequence

from controller.core.report_ways import way_to_report
from events.diagnosis import Diagnosis, quoted
from events.spec.collector import (
    COLLECTOR_USER,
    METRICS_PORT,
    REPORT_FILE,
    CollectorKind,
    FileFormat,
    MetricsCollectorSpec,
)
from events.spec.experiment import ExperimentSpec
from events.spec.objective import Observation

_AS_COLLECTOR = (
    ", or run its container as the collector's user: "
    f"securityContext: {{runAsUser: {COLLECTOR_USER}}}"
)
NO_METRICS = ("step", "timestamp")
"""What else is in a line that `report` of trialstream_report writes."""


def why_unreported(
    spec: ExperimentSpec, metric: str, observation: Observation, seen: Diagnosis | None
) -> str:
    """Why a metric is not in the observation, and what to do about it."""
    collector = spec.metrics_collector_spec
    if seen is not None and seen.silent:
        return _silence(observation)
    if seen is not None and seen.leads_out_of:
        return f"a link that leads out of {seen.leads_out_of} is not followed"
    if collector.collector.kind.takes_reports:
        return _unreported(metric, collector.collector.kind, seen or Diagnosis())
    if collector.collector.kind is CollectorKind.PROMETHEUS:
        return _unscraped(collector, seen or Diagnosis(absent=True))
    if seen is None:
        return _advice(metric, collector)
    if seen.absent or seen.empty:
        return _nothing(collector, seen, in_pod=spec.trial_template.command is None)
    found = [
        *_values(metric, seen),
        *_others(seen),
        *_lines(metric, collector, seen),
        *_damage(seen),
    ]
    return "; ".join(found) or _advice(metric, collector)


def _silence(observation: Observation) -> str:
    """The collector has not said that it is done."""
    count = sum(one.count for one in observation.values())
    if not count:
        return (
            "its collector has reported nothing: it did not start, is gone, or cannot reach Kafka"
        )
    return f"its collector was lost after it had reported {_times(count, 'value')} of other metrics"


def _nothing(collector: MetricsCollectorSpec, seen: Diagnosis, *, in_pod: bool) -> str:
    if collector.collector.kind.has_path:
        if seen.failure:
            return (
                f"its collector may not read what it wrote to {collector.path}: {seen.failure}; "
                f"write it with a umask of 022{_AS_COLLECTOR if in_pod else ''}"
            )
        return (
            f"nothing was written to {collector.path}, where its metrics are looked for"
            if seen.absent
            else f"what it wrote to {collector.path} is empty"
        )
    if seen.absent:
        return "no output of it was collected: its collector did not start, or is gone"
    return "it printed nothing"


def _unreported(metric: str, kind: CollectorKind, seen: Diagnosis) -> str:
    """Of a program that reports by itself, or a collector of the user's that does."""
    if names := [name for name in seen.others if name not in NO_METRICS]:
        return f"it reported {_listed(names)} instead"
    missing = "" if seen.absent or seen.empty else f" with a number as {metric}"
    if kind is CollectorKind.CUSTOM:
        return f"its custom collector has appended no report{missing} to the file in {REPORT_FILE}"
    return f"its program has not called report of trialstream_report{missing}"


def _unscraped(collector: MetricsCollectorSpec, seen: Diagnosis) -> str:
    """Of a program whose endpoint is read."""
    place = collector.http_get.place
    why = f" (the last try: {seen.failure})" if seen.failure else ""
    if seen.absent:
        return (
            f"no page with metrics was at {place} while it ran{why}; on one machine a trial has "
            f"its port in {METRICS_PORT}"
        )
    if seen.empty:
        return f"the page at {place} has no metrics{why}"
    return f"the page at {place} has {_listed(seen.others)} instead{why}"


def _values(metric: str, seen: Diagnosis) -> Iterator[str]:
    """Values that are no numbers."""
    texts = [quoted(one.value) for one in seen.values if one.metric == metric]
    if texts:
        verb = "is no number" if len(texts) == 1 else "are no numbers"
        yield f"its value {' and '.join(texts)} {verb}"


def _others(seen: Diagnosis) -> Iterator[str]:
    """Names that were found."""
    if seen.others:
        yield f"it reported {_listed(seen.others)} instead"


def _lines(metric: str, collector: MetricsCollectorSpec, seen: Diagnosis) -> Iterator[str]:
    """The line that is most like a report, unless it has been said what is in it."""
    if any(one.metric == metric for one in seen.values):
        return
    if collector.format is FileFormat.JSON and seen.skipped:
        yield f"{_times(seen.skipped, 'line')} of it {_are(seen.skipped)} no JSON object"
    if seen.nearest and not any(name in seen.nearest[0] for name in seen.others):
        filters = "a filter matches" if collector.filters else "reports it"
        yield f"no line {filters}, the nearest is {quoted(seen.nearest[0])}"
    if seen.preset:
        yield f"preset {seen.preset} reads it"


def _damage(seen: Diagnosis) -> Iterator[str]:
    """What could not be read of event files."""
    if seen.broken:
        yield f"{_times(seen.broken, 'record')} of its event files {_are(seen.broken)} damaged"
    if seen.files_left_out:
        files = _times(seen.files_left_out, "event file")
        yield f"{files} {_are(seen.files_left_out)} beyond as many as are read"


def _advice(metric: str, collector: MetricsCollectorSpec) -> str:
    if collector.filters:
        return "no filter of metricsCollectorSpec matches what it printed"
    return f"{way_to_report(metric, collector)}, or set metricsCollectorSpec"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([*filter(None, [", ".join(names[:-1])]), names[-1]])


def _times(count: int, thing: str) -> str:
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
