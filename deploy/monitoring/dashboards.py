"""The dashboards as Grafana reads them: operations from Prometheus, one experiment from Postgres."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

PROMETHEUS = {"type": "prometheus", "uid": "${prometheus}"}
POSTGRES = {"type": "grafana-postgresql-datasource", "uid": "${postgres}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph or table; each query with its legend."""

    title: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"


def _share(histogram: str, share: float) -> tuple[str, str]:
    return f"histogram_quantile({share}, sum by (le) (rate({histogram}_bucket[$__rate_interval])))", f"p{share * 100:g}"


def _latency(title: str, histogram: str) -> Panel:
    return Panel(title, [_share(histogram, 0.5), _share(histogram, 0.99)], "s")


def _rate(metric: str, label: str) -> tuple[str, str]:
    return f"sum by ({label}) (rate({metric}[$__rate_interval]))", f"{{{{{label}}}}}"


OPERATIONS = (
    Panel("Shards by controller", [("trialstream_shards_owned", "{{instance}}")]),
    Panel("Experiments", [("sum by (state) (trialstream_experiments)", "{{state}}")]),
    Panel("Live trials", [("sum by (state) (trialstream_trials)", "{{state}}")]),
    Panel("Facts per second", [_rate("trialstream_facts_total", "type")], "ops"),
    Panel("Conclusions per second", [_rate("trialstream_trial_conclusions_total", "state")], "ops"),
    Panel("Points per second", [("sum(rate(trialstream_points_total[$__rate_interval]))", "points")], "ops"),
    Panel("Records per second", [_rate("trialstream_records_total", "topic")], "ops"),
    Panel("Lag in records", [("sum by (topic) (trialstream_consumer_lag_records)", "{{topic}}")]),
    _latency("Decision", "trialstream_decision_seconds"),
    _latency("Metric to judgement", "trialstream_stop_seconds"),
    _latency("End to next start", "trialstream_next_start_seconds"),
    _latency("Suggestion", "trialstream_suggestion_seconds"),
    _latency("Transactions", "trialstream_transaction_seconds"),
    _latency("Event loop lag", "trialstream_loop_lag_seconds"),
    Panel("Effects still to be done", [("sum by (effect) (trialstream_outbox_effects)", "{{effect}}")]),
    Panel("Age of the oldest effect", [("max by (effect) (trialstream_outbox_age_seconds)", "{{effect}}")], "s"),
    Panel("Dead letters", [("max by (topic) (trialstream_dead_letters_kept)", "{{topic}}")]),
    Panel(
        "Errors per second",
        [
            ("sum(rate(trialstream_database_errors_total[$__rate_interval])) or vector(0)", "Postgres"),
            ("sum(rate(trialstream_bus_errors_total[$__rate_interval]))", "Kafka"),
            ("sum(rate(trialstream_fencings_total[$__rate_interval]))", "fenced"),
        ],
        "ops",
    ),
    Panel("Connections to Postgres", [("sum by (state) (trialstream_database_connections)", "{{state}}")]),
)

_THIS = "(SELECT id FROM experiment WHERE namespace = '$namespace' AND name = '$name')"
EXPERIMENT = (
    Panel("Trials by state", [(f"SELECT state, count(*) FROM trial WHERE experiment = {_THIS} GROUP BY state", "")],
          kind="barchart"),
    Panel("Values in the order of the trials", [(
        f"SELECT number, value FROM trial WHERE experiment = {_THIS} AND value IS NOT NULL ORDER BY number", "")],
        kind="xychart"),
    Panel("Best trials", [(
        f"SELECT number, state, value, assignment FROM trial WHERE experiment = {_THIS} AND value IS NOT NULL "
        "ORDER BY value LIMIT 20", "")], kind="table"),
    Panel("Curves", [(
        "SELECT m.at AS time, 'trial ' || m.trial AS metric, m.value FROM measurement m "
        f"WHERE m.experiment = {_THIS} AND $__timeFilter(m.at) ORDER BY m.at LIMIT 20000", "")]),
    Panel("What happened", [(
        f"SELECT at, seq, type, trial FROM fact WHERE experiment = {_THIS} ORDER BY seq DESC LIMIT 200", "")],
        kind="table"),
)  # fmt: skip


def operations() -> dict[str, Any]:
    """How the controllers do."""
    return _dashboard("trialstream-operations", "Trialstream: operations", OPERATIONS, PROMETHEUS, _prometheus())


def experiment() -> dict[str, Any]:
    """How one experiment does. Names of experiments are no labels in Prometheus, so this asks Postgres."""
    names = "SELECT name FROM experiment WHERE namespace = '$namespace' ORDER BY created_at DESC"
    variables: list[dict[str, Any]] = [
        {"name": "postgres", "type": "datasource", "query": "grafana-postgresql-datasource"},
        {"name": "namespace", "type": "query", "datasource": POSTGRES, "refresh": 2,
         "query": "SELECT DISTINCT namespace FROM experiment ORDER BY 1"},
        {"name": "name", "type": "query", "datasource": POSTGRES, "refresh": 2, "query": names},
    ]  # fmt: skip
    return _dashboard("trialstream-experiment", "Trialstream: one experiment", EXPERIMENT, POSTGRES, variables)


def _prometheus() -> list[dict[str, Any]]:
    return [{"name": "prometheus", "type": "datasource", "query": "prometheus"}]


def _dashboard(
    uid: str, title: str, panels: Sequence[Panel], source: dict[str, str], variables: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "uid": uid,
        "title": title,
        "tags": ["trialstream"],
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": variables},
        "panels": list(_placed(panels, source)),
    }


def _placed(panels: Sequence[Panel], source: dict[str, str]) -> Iterator[dict[str, Any]]:
    for number, panel in enumerate(panels):
        yield {
            "id": number + 1,
            "title": panel.title,
            "type": panel.kind,
            "datasource": source,
            "gridPos": {"x": number % 3 * 8, "y": number // 3 * 8, "w": 8, "h": 8},
            "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
            "targets": [_target(n, query, legend, source) for n, (query, legend) in enumerate(panel.queries)],
        }


def _target(number: int, query: str, legend: str, source: dict[str, str]) -> dict[str, Any]:
    target: dict[str, Any] = {"refId": chr(ord("A") + number), "datasource": source}
    if source is PROMETHEUS:
        return {**target, "expr": query, "legendFormat": legend}
    return {
        **target,
        "rawSql": query,
        "rawQuery": True,
        "format": "time_series" if "$__timeFilter" in query else "table",
    }
