"""All generated files by their names: scrape config, alert rules, dashboards, and the page of metrics."""

import json
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.metrics_core import Metric

from controller.telemetry.catalogue import CATALOGUE, REGISTRY
from deploy.monitoring.alerts import ALERTS
from deploy.monitoring.dashboards import experiment, operations

FOLDER = Path(__file__).parent
PAGE = "../../docs/monitoring.md"
_HEAD = "# Written by `python -m deploy.monitoring`; change the code beside it.\n"
_PROMETHEUS = {
    "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
    "rule_files": ["alerts.yml"],
    "scrape_configs": [{"job_name": "trialstream", "static_configs": [{"targets": ["127.0.0.1:9464"]}]}],
}
_PROVIDER = {
    "apiVersion": 1,
    "providers": [{"name": "trialstream", "type": "file", "options": {"path": "/var/lib/grafana/dashboards"}}],
}


def written() -> dict[str, str]:
    """Name (from this folder) → text."""
    return {
        "prometheus.yml": _yaml(_PROMETHEUS),
        "alerts.yml": _yaml({"groups": [{"name": "trialstream", "rules": [_rule(one) for one in ALERTS]}]}),
        "grafana/provisioning.yml": _yaml(_PROVIDER),
        "grafana/operations.json": json.dumps(operations(), indent=2) + "\n",
        "grafana/experiment.json": json.dumps(experiment(), indent=2) + "\n",
        PAGE: _page(),
    }


def _yaml(tree: Any) -> str:
    return _HEAD + yaml.safe_dump(tree, sort_keys=False, width=120)


def _rule(alert: Any) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": f"{alert.minutes}m",
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary},
    }


def _page() -> str:
    lines = [
        "# Monitoring",
        "",
        "A controller answers on `--metrics-port` with the metrics below, on `--health-port` with `/healthz` (is the",
        "event loop alive?) and `/readyz` (does it own its share and reach Kafka and Postgres? with reasons). Both",
        "bind to 127.0.0.1 unless `--host` says otherwise. Labels are bounded: no experiment, trial, metric or",
        "namespace is one; one experiment is looked at with its own dashboard, from Postgres.",
        "",
        "`deploy/monitoring/` has a scrape config, alert rules with test cases, and two Grafana dashboards, written",
        "by `python -m deploy.monitoring`. This page is, too.",
        "",
        "## Metrics",
        "",
        "| metric | kind | labels | meaning | when it looks bad |",
        "|---|---|---|---|---|",
        *(_row(metric) for metric in REGISTRY.collect()),
        "",
        "## Alerts",
        "",
        "| alert | severity | meaning |",
        "|---|---|---|",
        *(f"| {one.name} | {one.severity} | {one.summary} |" for one in ALERTS),
    ]
    return "\n".join(lines) + "\n"


def _row(metric: Metric) -> str:
    name = metric.name + ("_total" if metric.type == "counter" else "")
    remedy = CATALOGUE.remedies[metric.name.removeprefix("trialstream_")]
    labels = ", ".join(CATALOGUE.labels[metric.name.removeprefix("trialstream_")])
    return f"| `{name}` | {metric.type} | {labels} | {metric.documentation} | {remedy} |"
