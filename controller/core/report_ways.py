"""How a program reports a metric so that its experiment reads it, in words."""

import json
from keyword import iskeyword

from events.spec.collector import (
    REPORT_FILE,
    CollectorKind,
    FileFormat,
    MetricsCollectorSpec,
    Preset,
)

NUMBER = "<number>"
_LINES = {
    Preset.LIGHTNING: "77.5it/s, {}=" + NUMBER,
    Preset.KERAS: "1/1 - {}: " + NUMBER,
    Preset.TRANSFORMERS: "{{'{}': " + NUMBER + "}}",
    Preset.XGBOOST: "[1] {}:" + NUMBER,
    Preset.LIGHTGBM: "[1] {}: " + NUMBER,
    Preset.TQDM: "5.0it/s, {}=" + NUMBER,
    Preset.KEY_COLON_VALUE: "{}: " + NUMBER,
    Preset.AUTO: "{}=" + NUMBER,
}
"""By preset, a line that it reads."""


def way_to_report(metric: str, collector: MetricsCollectorSpec) -> str:
    """What the program has to do, as an order."""
    match collector.collector.kind:
        case CollectorKind.STDOUT:
            return f"print {line_of(metric, collector)}"
        case CollectorKind.FILE:
            return f"write {line_of(metric, collector)} to {collector.path}"
        case CollectorKind.TENSORFLOW_EVENT:
            return f"write a scalar with the tag {metric} to an event file below {collector.path}"
        case CollectorKind.PROMETHEUS:
            return f"expose {metric} at {collector.http_get.place}"
        case CollectorKind.PUSH:
            return f"call trialstream_report.report({_argument(metric)})"
        case CollectorKind.CUSTOM:
            return (
                f"have its custom collector append {_object(metric)} to the file in {REPORT_FILE}"
            )
        case CollectorKind.NONE:
            return "choose another collector than None, which reads no metrics"


def line_of(metric: str, collector: MetricsCollectorSpec) -> str:
    """A line that a log or a file must have."""
    if collector.format is FileFormat.JSON:
        return f"{_object(metric)} on a line of its own"
    if collector.filters:
        return f"{metric} as metricsFormat {' or '.join(collector.filters)} reads it"
    return _LINES[collector.preset or Preset.AUTO].format(metric)


def _object(metric: str) -> str:
    return f"{{{json.dumps(metric, ensure_ascii=False)}: {NUMBER}}}"


def _argument(metric: str) -> str:
    return (
        f"{metric}={NUMBER}" if metric.isidentifier() and not iskeyword(metric) else _object(metric)
    )
