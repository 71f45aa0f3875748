"""Which parser a spec asks for, and what cannot be collected yet."""

import math

import pytest

from collectors.parsers import parser_for
from collectors.problems import WORKING, problems
from events.metrics import MAX_METRIC_NAME
from events.spec.collector import (
    Collector,
    CollectorKind,
    FileFormat,
    FileSystemPath,
    Filter,
    MetricsCollectorSpec,
    Preset,
    Source,
)
from events.spec.experiment import ExperimentSpec
from events.spec.objective import Direction, Objective

LONG = "m" * (MAX_METRIC_NAME + 1)


def test_text_is_the_default() -> None:
    assert parser_for(MetricsCollectorSpec(), ["loss"])("loss=1") == [("loss", 1.0, None)]


def test_filters_are_used() -> None:
    spec = MetricsCollectorSpec(source=Source(filter=Filter(metrics_format=(r"(\w+) is (\d+)",))))
    assert parser_for(spec, ["loss"])("loss is 3, loss=4") == [("loss", 3.0, None)]


def test_json_on_demand() -> None:
    spec = MetricsCollectorSpec(
        collector=Collector(kind=CollectorKind.FILE),
        source=Source(file_system_path=FileSystemPath(format=FileFormat.JSON)),
    )
    assert parser_for(spec, ["loss"])('{"loss": 1}') == [("loss", 1.0, None)]


def test_names_that_are_too_long_are_never_found() -> None:
    fits = LONG[:-1]
    found = parser_for(MetricsCollectorSpec(), [LONG, fits, ""])(f"{LONG}=1 {fits}=2")
    assert found == [(fits, 2.0, None)]


def spec_of(kind: CollectorKind, metric: str = "loss") -> ExperimentSpec:
    objective = Objective(
        type=Direction.MINIMIZE,
        objectiveMetricName=metric,
        additional_metric_names=("acc", metric + "x"),
    )
    return ExperimentSpec(
        objective=objective,
        metrics_collector_spec=MetricsCollectorSpec(collector=Collector(kind=kind)),
    )


@pytest.mark.parametrize("kind", list(CollectorKind))
def test_kinds_that_are_still_to_come(kind: CollectorKind) -> None:
    found = list(problems(spec_of(kind)))
    if kind in WORKING:
        assert found == []
    else:
        (problem,) = found
        assert problem.path == ("spec", "metricsCollectorSpec", "collector", "kind")
        assert "StdOut, File" in problem.message


def test_names_that_are_too_long_are_told() -> None:
    paths = [problem.path for problem in problems(spec_of(CollectorKind.STDOUT, LONG))]
    assert paths == [
        ("spec", "objective", "objectiveMetricName"),
        ("spec", "objective", "additionalMetricNames", 1),
    ]


KATIBS = r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)"


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("loss=1,234.5", []),
        ("val/loss=0.9", []),
        ("loss=1.5K", []),
        ("loss=9834/10000", []),
        ("loss=nan", [math.nan]),
        ("\x1b[32mloss = 0.25\x1b[0m", [0.25]),
    ],
)
def test_katibs_own_filter_written_out_reads_what_no_filter_reads(
    line: str, values: list[float]
) -> None:
    written = MetricsCollectorSpec(source=Source(filter=Filter(metrics_format=(KATIBS,))))
    for spec in (written, MetricsCollectorSpec()):
        found = [value for _, value, _ in parser_for(spec, ["loss"])(line)]
        assert list(map(repr, found)) == list(map(repr, values))
    assert written.with_preset(Preset.AUTO).preset is Preset.AUTO
