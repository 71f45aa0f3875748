"""The light package reads facts as the engine's own models do, without them."""

import json
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from events.envelope import read_body
from events.facts import Fact
from tests.events.bodies import SAMPLES
from trialstream import facts as light
from trialstream.attributes import UnreadableRecordError
from trialstream.reading import read_fact

FACTS = [body for body in SAMPLES if isinstance(body, Fact)]
CONCLUDED = {
    "type": "trial.concluded",
    "trial": 3,
    "attempt": 1,
    "state": "Succeeded",
    "cause": "Completed",
}


def type_of(kind: str) -> str:
    return f"io.trialstream.{kind}.v1"


def plain(value: Any) -> Any:
    """Without the classes that the two sides have each of its own."""
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True, mode="json")
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return json.loads(json.dumps(asdict(value)))  # lists, as in what a model dumps
    return value


def test_every_fact_has_its_light_twin_with_the_same_fields_and_defaults() -> None:
    twins = {twin.type: twin for twin in get_args(light.Fact)}
    for model in get_args(Fact):
        twin = twins.pop(model.model_fields["type"].default)
        named = {
            one.name: one.default is MISSING and one.default_factory is MISSING
            for one in fields(twin)
        }
        assert named == {
            name: info.is_required() for name, info in model.model_fields.items() if name != "type"
        }
    assert twins == {}


@pytest.mark.parametrize("body", FACTS, ids=lambda body: body.type)
def test_what_is_published_is_read_alike(body: Fact) -> None:
    fact = read_fact(type_of(body.type), body.model_dump_json(by_alias=True).encode())
    assert type(fact).__name__ == type(body).__name__
    assert fact.type == body.type
    for name in type(body).model_fields:
        ours, theirs = plain(getattr(fact, name)), plain(getattr(body, name))
        assert (ours, type(ours) is bool) == (theirs, type(theirs) is bool), name
        assert f"{getattr(fact, name)}" == str(getattr(fact, name))


@pytest.mark.parametrize(
    "change", [{}, {"value": 2}, {"value": 0.5, "values": [0.5, None]}, {"later": [1]}]
)
def test_facts_of_other_versions_are_read_alike(change: dict[str, Any]) -> None:
    value = json.dumps({**CONCLUDED, **change}).encode()
    ours, theirs = (
        read_fact(type_of("trial.concluded"), value),
        read_body(type_of("trial.concluded"), value),
    )
    assert isinstance(ours, light.TrialConcluded)
    assert asdict(ours) == {**theirs.model_dump(exclude={"type"}), "observation": {}}


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (
            "trial.concluded",
            {**CONCLUDED, "state": "Sleeping"},
            "state: 'Sleeping' is not a valid TrialState",
        ),
        (
            "trial.concluded",
            {**CONCLUDED, "trial": "three"},
            "trial: 'three' is not of the type int",
        ),
        ("trial.concluded", {**CONCLUDED, "trial": True}, "trial: True is not of the type int"),
        (
            "trial.concluded",
            {**CONCLUDED, "value": float("nan")},
            "value: nan is not of the type float",
        ),
        (
            "trial.concluded",
            {**CONCLUDED, "values": [1, "x"]},
            "values: 'x' is not of the type float",
        ),
        (
            "trial.concluded",
            {**CONCLUDED, "observation": {"a": {"min": "x"}}},
            "observation: min: 'x' is not",
        ),
        (
            "trial.concluded",
            {**CONCLUDED, "type": "trial.paused"},
            "the header says 'trial.concluded'",
        ),
        ("trial.paused", {"type": "trial.paused", "trial": 1}, "attempt is missing"),
        (
            "experiment.resumed",
            {"type": "experiment.resumed", "deadline": "noon"},
            "deadline: Invalid isoformat",
        ),
        (
            "trial.migrated",
            {"type": "trial.migrated"},
            "the type 'io.trialstream.trial.migrated.v1' is not known",
        ),
        ("trial.paused", [], "the header says"),
    ],
)
def test_what_is_no_fact_of_this_version_is_refused(kind: str, value: object, reason: str) -> None:
    with pytest.raises(UnreadableRecordError) as error:
        read_fact(type_of(kind), json.dumps(value).encode())
    assert reason in str(error.value)
