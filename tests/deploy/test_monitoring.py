"""What is shipped for Prometheus and Grafana is valid, up to date, and gets data from a real
controller."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from controller.store.postgres import open_database
from controller.telemetry.catalogue import CATALOGUE, REGISTRY
from deploy.monitoring.alerts import ALERTS
from deploy.monitoring.dashboards import (
    EXPERIMENT,
    OPERATIONS,
    experiment_dashboard,
    operations_dashboard,
)
from deploy.monitoring.files import FOLDER, generated_files
from events import topics
from events.bus import Record
from events.bus.kafka import KafkaSettings, open_bus
from tests.controller.flows.stage import Wanted, on_stage
from tests.eventually import eventually
from tests.ports import free_port

SPEC = """
apiVersion: trialstream.io/v1alpha1
kind: Experiment
metadata: {name: watched}
spec:
  objective: {type: minimize, objectiveMetricName: loss}
  algorithm: {algorithmName: random}
  earlyStopping: {algorithmName: medianstop}
  parallelTrialCount: 4
  maxTrialCount: 100000
  parameters: [{name: x, parameterType: double, feasibleSpace: {min: 0, max: 1}}]
  trialTemplate: {command: [train]}
"""
ANSWERS = """
from controller.cluster.simulated import Answer
def answer(assignment):
    x = float(assignment["x"])
    return Answer([{"loss": x + 1 / step} for step in range(1, 9)], seconds=1.0)
"""


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None and os.environ.get("CI") != "true":
        pytest.skip(f"{name} is not installed (Debian's package prometheus)")
    assert found is not None, f"{name} is missing"
    return found


@pytest.mark.parametrize("name", generated_files())
def test_generated_files_are_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text() == generated_files()[name], (
        "run: python -m deploy.monitoring"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
)
def test_promtool_agrees(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [tool("promtool"), *words], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case() -> None:
    cases = yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]
    named = {rule["alertname"] for case in cases for rule in case.get("alert_rule_test", [])}
    firing = next(case for case in cases if case["name"] == "everything is wrong")[
        "promql_expr_test"
    ][0]
    assert (
        firing["exp_samples"][0]["value"] == len(ALERTS) - 1
    )  # all but ControllerDown, which is in `named`
    assert "TrialstreamControllerDown" in named


@pytest.mark.parametrize(
    "dashboard", [operations_dashboard(), experiment_dashboard()], ids=lambda one: str(one["uid"])
)
def test_dashboards_are_whole(dashboard: dict[str, Any]) -> None:
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)
    known = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert {panel["datasource"]["uid"].strip("${}") for panel in panels} <= known


def test_every_metric_is_on_a_panel_that_explains_it() -> None:
    panels = operations_dashboard()["panels"]
    shown = " ".join(target["expr"] for panel in panels for target in panel["targets"])
    missing = [
        one.name
        for one in REGISTRY.collect()
        if not re.search(rf"\b{one.name}(_total|_bucket)?\b", shown)
    ]
    assert missing == []
    assert [panel["title"] for panel in panels if not panel["description"]] == []


def test_labels_are_bounded() -> None:
    known = {
        "algorithm",
        "code",
        "state",
        "cause",
        "type",
        "topic",
        "effect",
        "kind",
        "change",
        "resource",
        "flow",
        "shard",
        "verb",
        "version",
        "python",
    }
    assert {label for labels in CATALOGUE.labels.values() for label in labels} <= known


@pytest.mark.parametrize(("direction", "best"), [("minimize", 2), ("maximize", 3)])
async def test_the_best_trials_come_first(
    fresh_database_url: str, direction: str, best: int
) -> None:
    async with on_stage(fresh_database_url, Wanted("shown", 4, 1)) as stage:
        await stage.run_to_rest()
    async with open_database(fresh_database_url) as database, database.connection() as connection:
        change = connection.transaction()
        await change.start()
        await connection.execute(
            "UPDATE trial SET value = CASE number WHEN 2 THEN 0 WHEN 3 THEN 9 ELSE 5 END"
        )
        await connection.execute(
            "UPDATE experiment SET spec = jsonb_set(spec, '{objective,type}', $1)", direction
        )
        first = await connection.fetchrow(here("Best trials"))
        curve = await connection.fetch(here("Value and best so far, in the order of conclusions"))
        await change.rollback()
    assert first["number"] == best
    assert [row["best"] for row in curve] == ([5, 0, 0, 0] if best == 2 else [5, 5, 9, 9])


def here(title: str) -> str:
    """The query of a panel, with what Grafana puts in."""
    (query,) = next(panel.queries for panel in EXPERIMENT if panel.title == title)
    sql = query[0].replace("$namespace", "default").replace("$name", "shown")
    return sql.replace("$__timeFilter(m.at)", "m.at > now() - interval '1 hour'")


async def test_every_panel_of_one_experiment_gets_data(fresh_database_url: str) -> None:
    async with on_stage(fresh_database_url, Wanted("shown", 10, 2)) as stage:
        await stage.run_to_rest()
    async with open_database(fresh_database_url) as database:
        for panel in EXPERIMENT:
            assert await database.fetch(here(panel.title)), panel.title


@contextmanager
def process(folder: Path, name: str, words: list[str], **environment: str) -> Iterator[Path]:
    """A program that runs until left; its log."""
    log = folder / f"{name}.log"
    with log.open("w") as file:
        running = subprocess.Popen(
            words, cwd=folder, env={**os.environ, **environment}, stdout=file, stderr=file
        )
        try:
            yield log
        finally:
            running.terminate()
            running.wait(20)


def ask(url: str) -> str:
    """What it answers; nothing while it cannot."""
    with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())
    return ""


def test_a_real_prometheus_gets_data_for_every_panel_and_an_alert(
    fresh_database_url: str, kafka: KafkaSettings, tmp_path: Path
) -> None:
    (tmp_path / "watched.yaml").write_text(SPEC)
    (tmp_path / "answers.py").write_text(ANSWERS)
    metrics, health, port = free_port(), free_port(), free_port()
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(FOLDER / "alerts.yml")]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{metrics}"]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    environment = {
        **kafka.to_environment(), "TRIALSTREAM_DATABASE": fresh_database_url,
        "PYTHONPATH": str(tmp_path),
        "TRIALSTREAM_DATA": str(tmp_path / "data"),
    }  # fmt: skip
    words = [sys.executable, "-m", "controller.cli"]
    simulated = ["--cluster", "simulated", "--answers", "answers:answer", "--pace", "1"]
    ports = ["--metrics-port", str(metrics), "--health-port", str(health)]
    prometheus = [
        tool("prometheus"), "--config.file=prometheus.yml",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
    ]  # fmt: skip
    with (
        process(
            tmp_path, "controller", [*words, "controller", *simulated, *ports], **environment
        ) as log,
        process(tmp_path, "prometheus", prometheus),
    ):
        eventually(
            lambda: ask(f"http://127.0.0.1:{health}/readyz") == "ok\n",
            f"readiness ({log.read_text()})",
        )
        assert ask(f"http://127.0.0.1:{health}/healthz") == "ok\n"
        check_metrics(ask(f"http://127.0.0.1:{metrics}/metrics"))
        subprocess.run(
            [*words, "submit", "watched.yaml"],
            cwd=tmp_path,
            env={**os.environ, **environment},
            check=True,
        )

        for panel in OPERATIONS:
            for query, _ in panel.queries:
                eventually(partial(numbers, port, query), f"{panel.title}: {query}")
        asyncio.run(poison(kafka))
        firing = 'ALERTS{alertname="TrialstreamDeadLetters", alertstate="firing"}'
        eventually(lambda: asked(port, firing), "the alert of the dead letter")


def check_metrics(text: str) -> None:
    """promtool has nothing to say about the metrics."""
    done = subprocess.run(
        [tool("promtool"), "check", "metrics"],
        input=text, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def asked(port: int, query: str) -> Any:
    """What the Prometheus at the port says of the query; nothing before it answers."""
    text = urllib.parse.quote(query.replace("$__rate_interval", "10s"))
    answer = ask(f"http://127.0.0.1:{port}/api/v1/query?query={text}")
    return json.loads(answer)["data"]["result"] if answer else []


def numbers(port: int, query: str) -> bool:
    """The query has results, and each is a number."""
    found = asked(port, query)
    return bool(found) and all(one["value"][1] != "NaN" for one in found)


async def poison(kafka: KafkaSettings) -> None:
    async with open_bus(kafka) as bus:
        await bus.publish([Record(topics.SIGNALS, 3, uuid4().bytes, (), b"not json")])
