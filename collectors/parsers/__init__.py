"""Parsers: the metrics in one line of what a trial reports. `parser_for` chooses the one that a
spec asks for."""

from collections.abc import Sequence

from collectors.parsers.json_lines import JsonLines
from collectors.parsers.presets import PresetText
from collectors.parsers.reading import Parser, Reading
from collectors.parsers.text import Text
from events.metrics import MAX_METRIC_NAME
from events.spec.collector import FileFormat, MetricsCollectorSpec

__all__ = ["Parser", "Reading", "parser_for"]


def parser_for(spec: MetricsCollectorSpec, metrics: Sequence[str]) -> Parser:
    """The parser of the lines that `spec` describes, which finds the wanted `metrics` in them.

    Names of more than MAX_METRIC_NAME characters or with a NUL are never found. Raises re2.error
    for a filter that RE2 cannot read.
    """
    wanted = [
        metric for metric in metrics if 0 < len(metric) <= MAX_METRIC_NAME and "\0" not in metric
    ]
    if spec.collector.kind.takes_reports or spec.format is FileFormat.JSON:
        return JsonLines(wanted)
    if spec.preset is not None:
        return PresetText(wanted, spec.preset)
    return Text(wanted, spec.filters)
