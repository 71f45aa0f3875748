"""Records that nobody can act on are put aside with the reason, and hold up nothing; people see to
them."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from events import topics
from events.clock import now
from events.envelope import Envelope, encode
from events.ids import ExperimentId, TrialNumber
from events.metrics import MetricsReported, Point
from events.signals import ExtensionRequested, PauseRequested, StopRequested, TimePassed
from tests.faults.installation import Installation
from tests.faults.poison import poison, shard, typed
from tests.faults.stream import Stream

REASONS = {
    "bad JSON": "not valid: Invalid JSON",
    "cut off": "not valid: Invalid JSON",
    "no UTF-8": "not valid: Invalid JSON",
    "deep nesting": "not valid",
    "NaN token": "not valid",
    "huge": "not valid",
    "unknown type": "Input tag 'nonsense'",
    "newer version": "the type 'io.trialstream.experiment.pause.v2' is not known",
    "two types": "the header says",
    "no headers": "the header ce_",
    "a fact": "is not a signal",
    "unknown experiment": "there is no experiment",
    "wrong shard": "is of shard",
}
"""What each poison on the signals is put aside for."""


@pytest.fixture
def stage(place: Installation) -> Installation:
    """One controller with a paused experiment `victim`."""
    place.simulate("endless")
    place.open_controller()
    place.submit("victim", trials=10)
    place.ask("victim", PauseRequested())
    place.holds("EXISTS (SELECT FROM fact WHERE type = 'experiment.paused')")
    return place


def letters(place: Installation) -> list[dict[str, Any]]:
    """As the command line lists them."""
    listed: list[dict[str, Any]] = json.loads(
        place.command("dead-letters", "list", "--output", "json")
    )
    return listed


def test_poison_is_put_aside_with_its_reason_and_holds_up_nothing(stage: Installation) -> None:
    records = poison(stage, "victim")
    for record in records.values():
        stage.publish(record)
    stage.ask("victim", ExtensionRequested(max_trial_count=11))
    stage.holds("EXISTS (SELECT FROM fact WHERE type = 'budget.extended')")
    stage.holds("count(*) = $1 FROM dead_letter", len(records))
    kept = stage.postgres.rows("SELECT shard, reason FROM dead_letter ORDER BY place")
    of_victim = [row["reason"] for row in kept if row["shard"] == shard("victim")]
    elsewhere = [row["reason"] for row in kept if row["shard"] != shard("victim")]
    for name, reason in zip(records, of_victim + elsewhere, strict=True):
        assert REASONS[name] in reason, name
    stage.holds("NOT EXISTS (SELECT FROM dead_letter WHERE NOT published)")
    shown = Stream(stage.settings, topics.DEAD_LETTERS)
    shown.read()
    assert sum(shown.positions.values()) == len(records)


def test_measurements_that_are_none_hold_up_no_others(stage: Installation) -> None:
    victim = ExperimentId(stage.postgres.value("SELECT id FROM experiment WHERE name = 'victim'"))
    point = Point("loss", 77, now(), 0.5)
    reported = MetricsReported(trial=TrialNumber(1), attempt=1, points=(point,))
    well = encode(Envelope(uuid4(), None, victim, now(), reported), topics.METRICS, shard("victim"))
    stop = encode(
        Envelope(uuid4(), None, victim, now(), StopRequested()), topics.METRICS, shard("victim")
    )
    bad = [
        replace(well, value=b"["),
        replace(well, value=b"[" * 900_000),
        replace(well, headers=()),
        stop,
    ]
    stage.publish(*bad, well)
    stage.holds("EXISTS (SELECT FROM measurement WHERE step = 77)")
    stage.holds("count(*) = 4 FROM dead_letter WHERE topic = $1", topics.METRICS)
    assert any("is not a measurement" in one["reason"] for one in letters(stage))


def test_people_list_show_redrive_and_drop_dead_letters(stage: Installation) -> None:
    """A request that came before its experiment is handed in again once that is there; the rest is
    dropped."""
    early = ExperimentId(uuid4())
    asked = encode(
        Envelope(uuid4(), None, early, now(), StopRequested()), topics.SIGNALS, shard("victim")
    )
    stage.publish(asked, replace(asked, value=b"{"))
    stage.holds("count(*) = 2 FROM dead_letter")
    listed = letters(stage)
    assert {one["key"] for one in listed} == {str(early)}
    unknown = next(one for one in listed if "there is no experiment" in one["reason"])
    shown = stage.command("dead-letters", "show", unknown["id"][:13])
    assert "there is no experiment" in shown
    assert "experiment.stop" in shown
    _submit(stage, early)
    stage.command("dead-letters", "redrive", unknown["id"])
    stage.holds("state = 'Stopped' FROM experiment WHERE id = $1", early)
    (left,) = letters(stage)
    assert "not valid" in left["reason"]
    stage.command("dead-letters", "redrive", left["id"])
    stage.holds("count(*) = 1 FROM dead_letter WHERE id <> $1", UUID(left["id"]))
    stage.command("dead-letters", "drop", "all")
    assert letters(stage) == []
    assert stage.attempt("dead-letters", "show", left["id"]).returncode != 0


def _submit(place: Installation, number: ExperimentId) -> None:
    """An experiment with this id, handed in as any client of Kafka may."""
    row = place.postgres.rows("SELECT data FROM fact WHERE type = 'experiment.admitted'")[0]["data"]
    body = {name: row[name] for name in ("name", "namespace", "spec", "seed")} | {"name": "late"}
    raw = encode(
        Envelope(number, None, number, now(), TimePassed()), topics.SIGNALS, shard("victim")
    )
    submitted = json.dumps(body | {"type": "experiment.submitted"}).encode()
    place.publish(typed(replace(raw, value=submitted), "experiment.submitted.v1"))
    place.holds("EXISTS (SELECT FROM experiment WHERE id = $1)", number)
