"""The ears: turn what a trial prints or writes into measurements."""

from collections.abc import Sequence

from collectors.parsers.json_lines import JsonLines
from collectors.parsers.reading import Parser, Reading
from collectors.parsers.text import Text
from events.metrics import MAX_METRIC_NAME
from events.spec.collector import FileFormat, MetricsCollectorSpec

__all__ = ["Parser", "Reading", "parser"]


def parser(spec: MetricsCollectorSpec, metrics: Sequence[str]) -> Parser:
    """What reads the lines that `spec` describes and finds the wanted `metrics` in them.

    Names of more than MAX_METRIC_NAME characters are never found. Raises re2.error for a filter that is no RE2.
    """
    wanted = [metric for metric in metrics if 0 < len(metric) <= MAX_METRIC_NAME]
    if spec.format is FileFormat.JSON:
        return JsonLines(wanted)
    return Text(wanted, spec.filters)
