"""All generated files: scrape configuration, alert rules, dashboards, and docs/monitoring.md."""

import json
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.metrics_core import Metric

from controller.telemetry.catalogue import CATALOGUE, REGISTRY
from deploy.monitoring.alerts import ALERTS
from deploy.monitoring.dashboards import experiment_dashboard, operations_dashboard

FOLDER = Path(__file__).parent
PAGE = "../../docs/monitoring.md"
_HEAD = "# Written by `python -m deploy.monitoring`; change the code beside it.\n"
_PROMETHEUS = {
    "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
    "rule_files": ["alerts.yml"],
    "scrape_configs": [
        {"job_name": "trialstream", "static_configs": [{"targets": ["127.0.0.1:9464"]}]}
    ],
}
_PROVIDER = {
    "apiVersion": 1,
    "providers": [
        {"name": "trialstream", "type": "file", "options": {"path": "/var/lib/grafana/dashboards"}}
    ],
}
_SOURCES = {
    "apiVersion": 1,
    "datasources": [
        {
            "name": "Prometheus",
            "type": "prometheus",
            "access": "proxy",
            "url": "http://127.0.0.1:9090",
        },
        {
            "name": "Trialstream's Postgres",
            "type": "grafana-postgresql-datasource",
            "access": "proxy",
            "url": "127.0.0.1:5432",
            "user": "grafana",
            "secureJsonData": {"password": "$TRIALSTREAM_GRAFANA_PASSWORD"},
            "jsonData": {"database": "trialstream", "sslmode": "prefer"},
        },
    ],
}


def generated_files() -> dict[str, str]:
    """Name, relative to this folder → text."""
    return {
        "prometheus.yml": _yaml(_PROMETHEUS),
        "alerts.yml": _yaml(
            {"groups": [{"name": "trialstream", "rules": [_rule(one) for one in ALERTS]}]}
        ),
        "grafana/provisioning/dashboards/trialstream.yml": _yaml(_PROVIDER),
        "grafana/provisioning/datasources/trialstream.yml": _yaml(_SOURCES),
        "grafana/operations.json": json.dumps(operations_dashboard(), indent=2) + "\n",
        "grafana/experiment.json": json.dumps(experiment_dashboard(), indent=2) + "\n",
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
        "A controller answers on `--metrics-port` with the metrics below, on `--health-port` "
        "with `/healthz` (is the",
        "event loop alive?) and `/readyz` (does it own its share and reach Kafka and "
        "Postgres? with reasons). Both",
        "bind to 127.0.0.1 unless `--host` says otherwise. Labels are bounded: no experiment, "
        "trial, metric or",
        "namespace is one; the dashboard of a single experiment reads Postgres instead.",
        "",
        "`deploy/monitoring/` has a scrape config, alert rules with test cases, and two "
        "Grafana dashboards, written",
        "by `python -m deploy.monitoring`, as is this page.",
        "",
        "* Prometheus: put the addresses of all controllers in `prometheus.yml`.",
        "* Grafana: copy `grafana/provisioning/` to its folder of that name, the dashboards to",
        "  `/var/lib/grafana/dashboards`, and change the addresses of the two data sources.",
        "* The dashboard of one experiment needs a user of Postgres that may only read; it "
        "sees all",
        "  namespaces: `CREATE ROLE grafana LOGIN PASSWORD '...'`, then",
        "  `GRANT SELECT ON experiment, trial, measurement, fact TO grafana`.",
        "* Gauges of a controller cover the shards that it owns: add them up. "
        "`trialstream_shards` and",
        "  `trialstream_dead_letters_kept` are the same for all: take the maximum.",
        "",
        "When the event loop is blocked for 5 s, its stack is logged; from 10 s on `/healthz` "
        "answers 503, and",
        "after 60 s the process ends with code 70, and whatever started it can restart it. A "
        "process that is frozen",
        "as a whole (SIGSTOP, a suspended machine) does not count. Code in C that holds "
        "Python's lock stops the",
        "watchdog and `/healthz`, too: treat no answer within two seconds as a failure.",
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
