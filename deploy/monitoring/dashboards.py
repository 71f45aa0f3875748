"""The dashboards of Grafana: operations, from Prometheus, and one experiment, from Postgres."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from controller.telemetry.catalogue import CATALOGUE, REGISTRY

PROMETHEUS = {"type": "prometheus", "uid": "${prometheus}"}
POSTGRES = {"type": "grafana-postgresql-datasource", "uid": "${postgres}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph or table; each query has a legend."""

    title: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"


def _share(histogram: str, share: float) -> tuple[str, str]:
    return (
        f"histogram_quantile({share}, sum by (le) (rate({histogram}_bucket[$__rate_interval])))",
        f"p{share * 100:g}",
    )


def _latency(title: str, histogram: str) -> Panel:
    return Panel(title, [_share(histogram, 0.5), _share(histogram, 0.99)], "s")


def _rate(metric: str, label: str) -> tuple[str, str]:
    return f"sum by ({label}) (rate({metric}[$__rate_interval]))", f"{{{{{label}}}}}"


OPERATIONS = (
    Panel(
        "Shards by controller",
        [("trialstream_shards_owned", "{{instance}}"), ("max(trialstream_shards)", "all")],
    ),
    Panel("Shards in trouble", [("trialstream_shards_in_trouble", "{{instance}}")]),
    Panel(
        "Shards changing hands per second",
        [_rate("trialstream_shard_changes_total", "change")],
        "ops",
    ),
    Panel("Experiments", [("sum by (state) (trialstream_experiments)", "{{state}}")]),
    Panel("Live trials", [("sum by (state) (trialstream_trials)", "{{state}}")]),
    Panel("Facts per second", [_rate("trialstream_facts_total", "type")], "ops"),
    Panel("Conclusions per second", [_rate("trialstream_trial_conclusions_total", "state")], "ops"),
    Panel(
        "Points per second",
        [("sum(rate(trialstream_points_total[$__rate_interval]))", "points")],
        "ops",
    ),
    Panel("Records per second", [_rate("trialstream_records_total", "topic")], "ops"),
    Panel("Lag in records", [("sum by (topic) (trialstream_consumer_lag_records)", "{{topic}}")]),
    _latency("Decision", "trialstream_decision_seconds"),
    _latency("Metric to early stop", "trialstream_stop_seconds"),
    _latency("End to next start", "trialstream_next_start_seconds"),
    _latency("Suggestion", "trialstream_suggestion_seconds"),
    _latency("Suggestion, computing only", "trialstream_searching_seconds"),
    Panel("Workers of searches", [("trialstream_workers", "{{instance}}")]),
    Panel("Memory of the workers", [("trialstream_worker_memory_bytes", "{{instance}}")], "bytes"),
    Panel(
        "Searches rebuilt and workers restarted per second",
        [
            ("sum(rate(trialstream_search_rebuilds_total[$__rate_interval]))", "rebuilt"),
            _rate("trialstream_worker_restarts_total", "cause"),
        ],
        "ops",
    ),
    Panel(
        "Suggestions per second",
        [
            ("sum(rate(trialstream_suggestions_total[$__rate_interval]))", "made"),
            ("sum(rate(trialstream_suggestion_failures_total[$__rate_interval]))", "failed"),
        ],
        "ops",
    ),
    Panel(
        "Statements, p99 by kind",
        [
            (
                "histogram_quantile(0.99, sum by (le, kind) "
                "(rate(trialstream_transaction_seconds_bucket"
                "[$__rate_interval])))",
                "{{kind}}",
            )
        ],
        "s",
    ),
    _latency("Event loop lag", "trialstream_loop_lag_seconds"),
    Panel("Effects not done yet", [("sum by (effect) (trialstream_outbox_effects)", "{{effect}}")]),
    Panel(
        "Age of the oldest effect",
        [("max by (effect) (trialstream_outbox_age_seconds)", "{{effect}}")],
        "s",
    ),
    Panel("Dead letters kept", [("max by (topic) (trialstream_dead_letters_kept)", "{{topic}}")]),
    Panel(
        "Dead letters per second",
        [
            _rate("trialstream_dead_letters_total", "topic"),
            ("sum(rate(trialstream_dead_letters_dropped_total[$__rate_interval]))", "dropped"),
        ],
        "ops",
    ),
    Panel(
        "Errors per second",
        [
            (
                "sum(rate(trialstream_database_errors_total[$__rate_interval])) or vector(0)",
                "Postgres",
            ),
            ("sum(rate(trialstream_bus_errors_total[$__rate_interval]))", "Kafka"),
            ("sum(rate(trialstream_fencings_total[$__rate_interval]))", "fenced"),
        ],
        "ops",
    ),
    Panel(
        "Requests to Kubernetes per second",
        [
            (
                (
                    "sum by (verb, code) "
                    "(rate(trialstream_kubernetes_requests_total[$__rate_interval]))"
                ),
                "{{verb}} {{code}}",
            )
        ],
        "ops",
    ),
    Panel(
        "Connections to Postgres",
        [("sum by (state) (trialstream_database_connections)", "{{state}}")],
    ),
    Panel(
        "Alarms in an hour",
        [
            ("sum(increase(trialstream_loop_blocked_total[1h]))", "loop blocked"),
            ("sum(increase(trialstream_silent_collectors_total[1h]))", "collectors silent"),
            (
                "sum(increase(trialstream_kubernetes_object_faults_total[1h])) or vector(0)",
                "objects passed over",
            ),
            ("sum(trialstream_experiments_quarantined)", "in quarantine"),
            ("sum(increase(trialstream_quarantines_total[1h])) or vector(0)", "quarantines begun"),
        ],
    ),
    Panel("Highest epoch", [("max(trialstream_shard_epoch)", "epoch")]),
    Panel(
        "Controllers by version",
        [("count by (version, python) (trialstream_build_info)", "{{version}}, {{python}}")],
    ),
)

_THIS = "(SELECT id FROM experiment WHERE namespace = '$namespace' AND name = '$name')"
_BETTER = "CASE spec->'objective'->>'type' WHEN 'maximize' THEN -value ELSE value END"
_OURS = (
    f"FROM trial t JOIN experiment e ON e.id = t.experiment WHERE e.id = {_THIS} AND value IS NOT "
    "NULL"
)
_BEST = (
    f"SELECT number, t.state, value, assignment, t.concluded_at {_OURS} ORDER BY {_BETTER}, "
    "number LIMIT 20"
)
_BEST_SO_FAR = f"""
SELECT ordinal, value, CASE spec->'objective'->>'type'
    WHEN 'maximize' THEN max(value) OVER (ORDER BY ordinal)
        ELSE min(value) OVER (ORDER BY ordinal) END AS best
{_OURS} AND ordinal IS NOT NULL ORDER BY ordinal"""
_CURVES = f"""
SELECT m.at AS time, 'trial ' || m.trial AS metric, m.value
FROM measurement m JOIN experiment e ON e.id = m.experiment
WHERE e.id = {_THIS} AND m.metric = e.spec->'objective'->>'objectiveMetricName'
    AND $__timeFilter(m.at) ORDER BY m.at LIMIT 20000"""
_STANDING = f"""
SELECT state, progress->'verdict'->>'reason' AS reason, progress->'verdict'->>'message' AS message,
    (progress->>'proposed')::int AS proposed, spec->>'maxTrialCount' AS budget,
    progress->'best'->>'trial' AS best_trial, progress->'best'->>'value' AS best_value,
    created_at, concluded_at FROM experiment WHERE id = {_THIS}"""
EXPERIMENT = (
    Panel("The experiment", [(_STANDING, "")], kind="table"),
    Panel(
        "Trials by state",
        [((f"SELECT state, count(*) FROM trial WHERE experiment = {_THIS} GROUP BY state ORDER "
            "BY state"), "")],
        kind="barchart",
    ),
    Panel(
        "Conclusions by cause",
        [(
            "SELECT state || ', ' || cause AS conclusion, count(*) FROM trial "
            f"WHERE experiment = {_THIS} AND ordinal IS NOT NULL GROUP BY 1 ORDER BY 1", "",
        )],
        kind="barchart",
    ),
    Panel("Value and best so far, in the order of conclusions", [(_BEST_SO_FAR, "")],
        kind="xychart"),
    Panel("Best trials", [(_BEST, "")], kind="table"),
    Panel("The objective as reported", [(_CURVES, "")]),
    Panel(
        "What happened",
        [((f"SELECT at, seq, type, trial FROM fact WHERE experiment = {_THIS} ORDER BY seq DESC "
            "LIMIT 200"), "")],
        kind="table",
    ),
)  # fmt: skip


def operations_dashboard() -> dict[str, Any]:
    """How the controllers work."""
    return _dashboard(
        "trialstream-operations", "Trialstream: operations", OPERATIONS, PROMETHEUS, _prometheus()
    )


def experiment_dashboard() -> dict[str, Any]:
    """How one experiment proceeds; from Postgres, because experiments are not labels in
    Prometheus."""
    names = "SELECT name FROM experiment WHERE namespace = '$namespace' ORDER BY created_at DESC"
    variables: list[dict[str, Any]] = [
        {"name": "postgres", "type": "datasource", "query": "grafana-postgresql-datasource"},
        {"name": "namespace", "type": "query", "datasource": POSTGRES, "refresh": 2,
         "query": "SELECT DISTINCT namespace FROM experiment ORDER BY 1"},
        {"name": "name", "type": "query", "datasource": POSTGRES, "refresh": 2, "query": names},
    ]  # fmt: skip
    return _dashboard(
        "trialstream-experiment", "Trialstream: one experiment", EXPERIMENT, POSTGRES, variables
    )


def _prometheus() -> list[dict[str, Any]]:
    return [{"name": "prometheus", "type": "datasource", "query": "prometheus"}]


def _dashboard(
    uid: str,
    title: str,
    panels: Sequence[Panel],
    source: dict[str, str],
    variables: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "uid": uid,
        "title": title,
        "tags": ["trialstream"],
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": variables},
        "panels": list(_panels(panels, source)),
    }


def _panels(panels: Sequence[Panel], source: dict[str, str]) -> Iterator[dict[str, Any]]:
    for number, panel in enumerate(panels):
        yield {
            "id": number + 1,
            "title": panel.title,
            "description": _description(panel),
            "type": panel.kind,
            "datasource": source,
            "gridPos": {"x": number % 3 * 8, "y": number // 3 * 8, "w": 8, "h": 8},
            "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
            "targets": [
                _target(n, query, legend, source) for n, (query, legend) in enumerate(panel.queries)
            ],
        }


def _description(panel: Panel) -> str:
    """Meaning and remedies of the metrics that the panel shows, from the catalogue."""
    shown = " ".join(query for query, _ in panel.queries)
    known = [
        one for one in REGISTRY.collect() if re.search(rf"\b{one.name}(_total|_bucket)?\b", shown)
    ]
    remedies = (CATALOGUE.remedies[one.name.removeprefix("trialstream_")] for one in known)
    return " ".join(filter(None, [*(one.documentation for one in known), *remedies]))


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
