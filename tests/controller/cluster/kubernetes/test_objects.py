"""Objects are read once, whatever is missing in them."""

from typing import Any
from uuid import UUID

import pytest

from controller.cluster.kubernetes.labels import EXPERIMENT_ID, TRIAL
from controller.cluster.kubernetes.objects import FINALIZER, ExperimentObject, TrialObject
from controller.cluster.kubernetes.projection import with_condition
from tests.controller.cluster.kubernetes.objects import AT

UID = str(UUID(int=5))


def test_an_object_that_has_everything() -> None:
    metadata = {
        "uid": UID,
        "name": "e",
        "namespace": "n",
        "resourceVersion": "12",
        "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "deletionTimestamp": "2026-01-02T00:00:00Z",
        "finalizers": ["other", FINALIZER],
    }
    condition = {"type": "Created", "status": "True"}
    raw = {
        "apiVersion": "trialstream.io/v1alpha1",
        "kind": "Experiment",
        "metadata": metadata,
        "spec": {"x": 1},
        "status": {"state": "Running", "conditions": [condition]},
    }
    read = ExperimentObject.read(raw)
    assert (read.id, read.name, read.namespace) == (UUID(int=5), "e", "n")
    assert (read.api_version, read.kind) == ("trialstream.io/v1alpha1", "Experiment")
    assert (read.resource_version, read.generation, read.created) == (
        "12",
        3,
        "2026-01-01T00:00:00Z",
    )
    assert read.being_deleted
    assert read.held
    assert read.conditions == [condition]
    assert read.document == {name: raw[name] for name in ("apiVersion", "kind", "metadata", "spec")}
    assert read.with_conditions([]).conditions == []
    assert read.with_conditions([]).status["state"] == "Running"
    assert read.conditions == [condition]


def test_an_object_that_is_new() -> None:
    read = ExperimentObject.read(
        {"metadata": {"uid": UID, "name": "e", "finalizers": None}, "status": None}
    )
    assert (read.generation, read.resource_version, read.created) == (0, "", None)
    assert not read.being_deleted
    assert not read.held
    assert (read.conditions, read.status) == ([], {})


def test_a_trial_says_whose_it_is_or_is_nobodys() -> None:
    metadata = {"uid": UID, "name": "e-7", "namespace": "n"}
    labels = {EXPERIMENT_ID: UID, TRIAL: "7"}
    ours = TrialObject.read(
        {"metadata": {**metadata, "labels": labels}, "status": {"state": "Running"}}
    )
    assert ours is not None
    assert (ours.experiment, ours.number) == (UUID(UID), 7)
    assert ours.status == {"state": "Running"}
    for strange in ({}, {TRIAL: "7"}, {**labels, TRIAL: "abc"}, {**labels, EXPERIMENT_ID: "x"}):
        assert TrialObject.read({"metadata": {**metadata, "labels": strange}}) is None
    assert TrialObject.read({"metadata": metadata}) is None


@pytest.mark.parametrize(
    "status",
    [
        "x", ["x"], {"conditions": 5}, {"conditions": {"type": "Created"}},
        {"conditions": ["x", [], {}, {"type": "Created"}, {"status": "True", "type": []},
            {"type": "Created", "status": "True", "reason": ["x"]}]},
    ],
)  # fmt: skip
def test_what_is_no_condition_is_left_out(status: Any) -> None:
    obj = {"metadata": {"uid": UID, "name": "e", "labels": {EXPERIMENT_ID: UID, TRIAL: "7"}}}
    read, trial = ExperimentObject.read({**obj, "status": status}), TrialObject.read(
        {**obj, "status": status}
    )  # fmt: skip
    assert trial is not None
    assert (read.conditions, trial.conditions) == ([], [])
    assert with_condition(read, AT, "Failed", True, "InvalidSpec", "words")
