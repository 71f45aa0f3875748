"""Which metrics are texts: only those of which the user's own filters can find no number."""

from pathlib import Path
from typing import Any

import pytest

from events.spec.document import load
from events.spec.texts import is_text, takes_text
from tests.experiments import experiment_spec, experiment_text

DARTS = r"([\w-]+)=(Genotype.*)"
KATIB = Path(__file__).parents[2] / "katib"


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (DARTS, True),
        (r"(?P<name>a)=(?P<value>text)", True),
        (r"(?:x|y)?(a)=(Normal.*)", True),
        (r"(?i)(a)=(inner.*)", True),
        (r"([^\s(]+)=(B(a|b))", True),
        (r"(a[)\]|]b)=(text)", True),
        (r"([[:alpha:]]+)=(B.*)", True),
        (r"(a\(b\))=(text)", True),
        (r"(a)=(te*1)", True),
        (r"(a)=(t*1)", False),
        (r"(a)=(G?\d+)", False),
        (r"(a)=(g{0}\d+)", False),
        (r"(a)=(N.*)", False),
        (r"(a)=(inf.*)", False),
        (r"(a)=(Geno|\d+)", False),
        (r"(a)=(\w+)", False),
        (r"(a)=(.*)", False),
        (r"(a)=([a-z0-9.]+)", False),
        (r"(a)=([+-]?\d+)", False),
        (r"(a)=((?:B)?\d+)", False),
        (r"(a)=(\Q1\E)", False),
        (r"((val)_loss)=([\d.]+)", False),
        (r"(a)=", False),
        ("(((", False),
        (")))", False),
        ("[", False),
    ],
)
def test_a_filter_takes_texts_where_no_number_begins_as_they_do(
    expression: str, text: bool
) -> None:
    assert takes_text(expression) is text


@pytest.mark.parametrize(
    ("filters", "metric", "text"),
    [
        ([DARTS], "loss", True),
        ([DARTS, r"([\w-]+)=([\d.]+)"], "loss", False),
        ([DARTS, r"(loss|val-loss)=([\d.]+)"], "loss", False),
        ([DARTS, r"(loss|val-loss)=([\d.]+)"], "genotype", True),
        ([DARTS, r"(?i)(LOSS)=([\d.]+)"], "loss", False),
        ([DARTS, r"(val\.acc)=([\d.]+)"], "val.acc", False),
        ([DARTS, r"(val.acc)=([\d.]+)"], "val/acc", False),
        ([r"(genotype)=(Genotype.*)"], "loss", False),
        ([], "loss", False),
    ],
)
def test_a_metric_is_a_text_if_all_filters_that_may_find_it_take_texts(
    filters: list[str], metric: str, text: bool
) -> None:
    assert is_text(filters, metric) is text


def test_the_objective_of_katibs_darts_is_a_text() -> None:
    document = load((KATIB / "darts-cpu.yaml").read_bytes())
    assert document.spec.metrics_collector_spec.reads_text("Best-Genotype")


def test_of_katibs_other_examples_and_of_ready_filters_no_metric_is_a_text() -> None:
    specs = [experiment_spec()]
    for path in KATIB.glob("*.yaml"):
        if path.stem not in ("darts-cpu", "simple-pbt"):
            specs.append(load(path.read_bytes()).spec)
    for spec in specs:
        assert not any(map(spec.metrics_collector_spec.reads_text, spec.metrics))


def test_who_optimises_a_text_is_warned() -> None:
    collector: dict[str, Any] = {"source": {"filter": {"metricsFormat": [r"(loss)=(tensor.*)"]}}}
    (warning,) = load(experiment_text(metricsCollectorSpec=collector).encode()).warnings
    assert "'loss' is a text: trials are not compared by it" in warning
