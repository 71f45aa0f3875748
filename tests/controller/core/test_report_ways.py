"""What a person is told to do is what the experiment reads: its own collector reads it."""

import json
from typing import Any

import pytest

from collectors.parsers import parser_for
from controller.core.missing_metric import why_unreported
from controller.core.report_ways import NUMBER, line_of, way_to_report
from events.diagnosis import Diagnosis
from events.spec.collector import CollectorKind, MetricsCollectorSpec, Preset
from tests.experiments import experiment_spec


def collector(kind: str, **source: Any) -> MetricsCollectorSpec:
    spec = {"collector": {"kind": kind}, "source": source}
    return MetricsCollectorSpec.model_validate_json(json.dumps(spec))


JSON = {"fileSystemPath": {"path": "/out/metrics", "kind": "File", "format": "JSON"}}
FILE = {"fileSystemPath": {"path": "/out/metrics", "kind": "File"}}
FILTER = {"filter": {"metricsFormat": ["(loss) is (.*)"]}}


@pytest.mark.parametrize(
    ("kind", "source", "metric", "way"),
    [
        ("StdOut", {}, "loss", "print loss=<number>"),
        ("StdOut", FILTER, "loss", "print loss as metricsFormat (loss) is (.*) reads it"),
        ("StdOut", {"filter": {"preset": "keras"}}, "loss", "print 1/1 - loss: <number>"),
        ("File", FILE, "loss", "write loss=<number> to /out/metrics"),
        ("File", JSON, 'a"b', 'write {"a\\"b": <number>} on a line of its own to /out/metrics'),
        ("Push", {}, "loss", "call trialstream_report.report(loss=<number>)"),
        ("Push", {}, "val/loss", 'call trialstream_report.report({"val/loss": <number>})'),
        ("Push", {}, "lambda", 'call trialstream_report.report({"lambda": <number>})'),
        ("PrometheusMetric", {"httpGet": {"port": 80}}, "loss", "expose loss at localhost:80/met"),
        ("TensorFlowEvent", {}, "val/loss", "write a scalar with the tag val/loss to an event"),
        ("Custom", {}, "loss", 'have its custom collector append {"loss": <number>} to the file '),
        ("None", {}, "loss", "choose another collector than None"),
    ],
)
def test_each_collector_has_its_way(
    kind: str, source: dict[str, Any], metric: str, way: str
) -> None:
    assert way_to_report(metric, collector(kind, **source)).startswith(way)


def test_every_kind_is_tested() -> None:
    (cases,) = test_each_collector_has_its_way.pytestmark
    assert {case[0] for case in cases.args[1]} == set(CollectorKind)


@pytest.mark.parametrize("preset", [None, *Preset])
@pytest.mark.parametrize("metric", ["loss", "val/loss", "mAP@0.5", "{x}"])
def test_the_line_of_a_preset_is_read_by_it(preset: Preset | None, metric: str) -> None:
    spec = collector("StdOut", **({"filter": {"preset": preset}} if preset else {}))
    line = line_of(metric, spec).replace(NUMBER, "0.25")
    assert list(parser_for(spec, [metric])(line)) == [(metric, 0.25, None)]


@pytest.mark.parametrize("metric", ["loss", 'a"b', "précision"])
def test_the_line_of_json_is_read(metric: str) -> None:
    spec = collector("File", **JSON)
    line = line_of(metric, spec).removesuffix(" on a line of its own").replace(NUMBER, "0.25")
    assert list(parser_for(spec, [metric])(line)) == [(metric, 0.25, None)]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"collector": {"kind": "TensorFlowEvent"}}, "write a scalar with the tag loss"),
        ({"source": {"filter": {"preset": "xgboost"}}}, "print [1] loss:<number>"),
        ({"collector": {"kind": "File"}, "source": JSON}, 'write {"loss": <number>} on a line'),
    ],
)
def test_a_conclusion_says_the_same(spec: dict[str, Any], words: str) -> None:
    found = experiment_spec(metricsCollectorSpec=spec)
    assert why_unreported(found, "loss", {}, Diagnosis()).startswith(words)
