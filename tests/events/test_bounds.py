"""Whatever can be read can be stored: every string, number, list and mapping of the language has a
bound."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from events import topics
from events.envelope import Envelope, UnreadableRecordError, decode, encode
from events.facts import Cause
from events.ids import ExperimentId, Shard, TrialNumber
from events.metrics import MetricsReported, Point
from events.model import LONGEST_MESSAGE
from events.schemas import generated
from events.signals import (
    EditRequested,
    ExperimentSubmitted,
    ExtensionRequested,
    MetricsCollected,
    SuggestionsMade,
    WorkloadEnded,
    WorkloadWaiting,
)
from events.spec.objective import Summary
from events.spec.tree import DEEPEST_TREE
from tests.events.bodies import AT, OUR_SPEC

BOUNDS = {
    "string": {"maxLength", "pattern", "enum", "const", "format"},
    "integer": {"maximum", "exclusiveMaximum"},
    "array": {"maxItems"},
    "object": {"maxProperties", "properties"},
}
WITHOUT = {
    "Collector.customCollector": "a tree that events.spec.tree bounds as a whole",
    "TrialTemplate.trialSpec": "a tree that events.spec.tree bounds as a whole",
}


def boundless(schema: Any, place: str) -> Iterator[str]:
    """The places of what has no bound."""
    if isinstance(schema, list):
        for one in schema:
            yield from boundless(one, place)
    if not isinstance(schema, dict):
        return
    kinds = schema.get("type", ())
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        if kind in BOUNDS and not BOUNDS[kind] & schema.keys():
            yield place
    for word, inner in schema.items():
        if word in ("properties", "$defs"):
            owner = schema.get("title", place) if word == "properties" else ""
            for name, one in inner.items():
                yield from boundless(one, f"{owner or place}.{name}".removeprefix("Experiment."))
        elif word not in ("default", "enum", "const", "required", "propertyNames"):
            yield from boundless(inner, place)


@pytest.mark.parametrize("name", generated())
def test_every_field_has_a_bound(name: str) -> None:
    places = set(boundless(json.loads(generated()[name]), name))
    assert not {place for place in places if place not in WITHOUT}


def test_a_field_without_a_bound_is_found() -> None:
    schema = {"title": "A", "properties": {"b": {"anyOf": [{"type": "string"}]}}}
    assert list(boundless(schema, "x")) == ["A.b"]
    assert list(boundless({"type": "array", "items": {"type": "integer"}}, "x")) == ["x", "x"]


ROOT = Envelope(
    UUID(int=1), None, ExperimentId(UUID(int=7)), AT, ExtensionRequested(max_trial_count=9)
)
ONE = TrialNumber(1)
ENDED = WorkloadEnded(trial=ONE, attempt=1, cause=Cause.ERROR, exit_code=1)
POINT = {"type": "metrics.reported", "trial": 1, "attempt": 1}
SUBMITTED = ExperimentSubmitted(name="a", namespace="b", spec=OUR_SPEC, seed=1)


def body_with(body: Any, *path: Any, value: Any) -> bytes:
    """The JSON of a message in which one value is another one."""
    tree = json.loads(body.model_dump_json())
    inner = tree
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return json.dumps(tree).encode()


REPORTED = MetricsReported(trial=ONE, attempt=1, points=(Point("loss", 1, AT, 0.5),))
MADE = SuggestionsMade(request=1, assignments=({"x": 1},))
SPACE = ("spec", "parameters", 0, "feasibleSpace")


@pytest.mark.parametrize(
    ("body", "path", "value"),
    [
        *((ROOT.body, ("max_trial_count",), value) for value in (2**31, 2**40, 0, -5)),
        *((ENDED, ("exit_code",), value) for value in (2**31, -(2**31) - 1, 2**80)),
        *((ENDED, (field,), value) for field in ("trial", "attempt") for value in (0, 2**31)),
        *((REPORTED, ("points", 0, 0), value) for value in ("lo\0ss", "x" * 129)),
        *((REPORTED, ("points", 0, 1), value) for value in (0, 2**31)),
        *((REPORTED, ("points", 0, 2), f"{year}-01-01T00:00:00+00:00")
            for year in ("0000", "0001", "1899", "3000", "9999")),
        (MADE, ("assignments", 0, "x"), 2**64), (MADE, ("assignments", 0, "x"), -(2**63) - 1),
        (MADE, ("assignments", 0, "x"), "a\0"), (MADE, ("assignments", 0, "x\0"), 1),
        (MADE, ("request",), 2**63), (MADE, ("told",), 2**31),
        (SUBMITTED, ("seed",), 2**63), (SUBMITTED, ("seed",), -1), (SUBMITTED, ("name",), "a\0"),
        (SUBMITTED, ("namespace",), "n" * 300),
        *((SUBMITTED, (*SPACE, field), 2**70) for field in ("min", "max", "step")),
        (SUBMITTED, (*SPACE, "list"), [2**70]), (SUBMITTED, (*SPACE, "max"), str(2**70)),
        *((SUBMITTED, ("spec", "trialTemplate", "command"), [value]) for value in (2**70, "a\0")),
        *((SUBMITTED, ("spec", "trialTemplate", "trialSpec"), {"a": [value]})
            for value in (2**70, "a\0", {"\0": 1})),
        (SUBMITTED, ("spec", "maxTrialCount"), 2**40),
        *((EditRequested(parallel_trial_count=2), ("parallel_trial_count",), value)
            for value in (1_000_000, 10_001, 0)),
        (MetricsCollected(trial=ONE, attempt=1, observation={"a": Summary()}),
            ("observation", "a", "count"), 2**63),
    ],
)  # fmt: skip
def test_what_cannot_be_stored_cannot_be_read(body: Any, path: Any, value: Any) -> None:
    record = encode(replace(ROOT, body=body), topics.SIGNALS, Shard(0))
    decode(record)
    with pytest.raises(UnreadableRecordError):
        decode(replace(record, value=body_with(body, *path, value=value)))


def test_a_deep_or_a_large_tree_cannot_be_read() -> None:
    record = encode(replace(ROOT, body=SUBMITTED), topics.SIGNALS, Shard(0))
    deep: dict[str, Any] = {}
    for _ in range(DEEPEST_TREE + 1):
        deep = {"a": deep}
    for tree, words in ((deep, "deeper than 100"), ({"a": [0] * 60_000}, "more than 50,000")):
        value = body_with(SUBMITTED, "spec", "trialTemplate", "trialSpec", value=tree)
        with pytest.raises(UnreadableRecordError, match=words):
            decode(replace(record, value=value))


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_that_nobody_can_count_with_cannot_be_read(at: str) -> None:
    record = encode(ROOT, topics.SIGNALS, Shard(0))
    headers = {**dict(record.headers), "ce_time": at.encode()}
    with pytest.raises(UnreadableRecordError, match="is not within 1900 to 2999"):
        decode(replace(record, headers=tuple(headers.items())))


def test_what_a_workload_says_is_cleaned_and_cut_and_never_lost() -> None:
    said = "out of\0 memory \ud83d" + "x" * 20_000
    ended = WorkloadEnded(trial=ONE, attempt=1, cause=Cause.ERROR, message=said)
    assert ended.message.startswith("out of\ufffd memory ?x")
    assert len(ended.message) == LONGEST_MESSAGE
    assert WorkloadWaiting(trial=ONE, attempt=1, reason="a\0").reason == "a\ufffd"
    read = WorkloadEnded.model_validate_json(body_with(ENDED, "message", value="a\0b"))
    assert read.message == "a\ufffdb"
    assert (
        WorkloadEnded(trial=ONE, attempt=1, cause=Cause.ERROR, message="naïve").message == "naïve"
    )


def test_the_largest_that_was_ever_stored_is_still_read() -> None:
    made = SuggestionsMade(request=1, assignments=({"x": 2**64 - 1, "y": -(2**63)},))
    assert SuggestionsMade.model_validate_json(made.model_dump_json()) == made
