"""Which source reads the metrics that a spec asks for."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from collectors.limits import USUAL, Limits
from collectors.parsers import parser_for
from collectors.sources import Source
from collectors.sources.event_folder import EventFolder
from collectors.sources.nothing import Nothing
from collectors.sources.rate import Rate, Thinned
from collectors.sources.tail import Tail
from events.spec.collector import CollectorKind, MetricsCollectorSpec


def source_for(
    spec: MetricsCollectorSpec,
    metrics: Sequence[str],
    path: Path,
    clock: Callable[[], datetime],
    limits: Limits = USUAL,
    below: Path | None = None,
) -> Source:
    """The source of an attempt that writes to `path`: a log, a file of metrics or reports, a folder
    of event files, or the file with the port of its endpoint. No link is followed out of the folder
    `below`, by default that of the file, or the folder of event files itself. Raises
    re2.error for a filter that RE2 cannot read."""
    source = _source(spec, metrics, path, clock, limits, below)
    if limits.points_per_second is None:
        return source
    return Thinned(source, Rate(limits.points_per_second))


def reads_alike_again(spec: MetricsCollectorSpec) -> bool:
    """Does whoever reads from the start find what others have found, with the same steps?

    A log is ours, and `report` appends. What programs of others write they may replace; the files
    of a folder have no common order; and an endpoint tells only what is true now.
    """
    return spec.collector.kind in (CollectorKind.STDOUT, CollectorKind.PUSH, CollectorKind.NONE)


def _source(
    spec: MetricsCollectorSpec,
    metrics: Sequence[str],
    path: Path,
    clock: Callable[[], datetime],
    limits: Limits,
    below: Path | None,
) -> Source:
    if spec.collector.kind is CollectorKind.PROMETHEUS:
        from collectors.sources.endpoint import Endpoint  # other collectors stay small

        return Endpoint(spec.http_get, metrics, clock, path, limits)
    if not spec.expects_metrics:
        return Nothing()
    if spec.collector.kind is CollectorKind.TENSORFLOW_EVENT:
        return EventFolder(path, metrics, clock, spec.path, below=below)
    return Tail(path, parser_for(spec, metrics), clock, limits.line_bytes, below=below)
