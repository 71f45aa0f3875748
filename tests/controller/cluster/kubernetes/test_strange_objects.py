"""There is no object of the API that cannot be judged."""

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.cluster.kubernetes.causes import Finished
from controller.cluster.kubernetes.labels import parse_rules, write_rules
from controller.cluster.kubernetes.phases import Pending, Running, phase
from controller.cluster.kubernetes.pods import keep_pod, keep_workload
from tests.controller.cluster.kubernetes.objects import AT, JOB, SCHEDULED, ended, waits

JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    "",
    "True",
    "9999-99-99",
    [],
    [[]],
    [None],
    {},
    {"name": []},
)
FULL: dict[str, Any] = {
    "kind": "Job",
    "metadata": {"labels": {"a": "b"}, "creationTimestamp": "2026-11-22T10:00:00Z"},
    "spec": {"suspend": False, "runPolicy": {"suspend": False}},
    "status": {
        "conditions": [{"type": "Failed", "status": "True", "reason": "r", "message": "m"}],
        "jobsStatus": [{"active": 0}], "phase": "", "ready": 0,
    },
}  # fmt: skip
FULL_POD: dict[str, Any] = {
    "metadata": {"name": "p", "uid": "u", "labels": {"a": "b"},
        "creationTimestamp": "2026-11-22T10:00:00Z",
                 "deletionTimestamp": "2026-11-22T10:00:00Z"},
    "spec": {"containers": [{"name": "main"}], "restartPolicy": "Never", "nodeName": "one"},
    "status": {
        "phase": "Running", "reason": "", "message": "",
        "conditions": [
            {"type": "Ready", "status": "False", "reason": "r"},
            {"type": "DisruptionTarget", "status": "False", "reason": "r",
                "lastTransitionTime": "t"}, SCHEDULED],
        "containerStatuses": [{"name": "main", "state": ended(3, ago=20), "lastState": ended(137)}],
        "initContainerStatuses": [{"name": "fetch", "state": waits("ImagePullBackOff")}],
    },
}  # fmt: skip


def places(tree: Any) -> list[tuple[Any, ...]]:
    """The paths to all that is in a tree."""
    inner = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    return [
        path for key, value in inner for path in [(key,), *((key, *rest) for rest in places(value))]
    ]


def spoilt(tree: Any, path: tuple[Any, ...], junk: Any) -> Any:
    """A copy with something else at the path."""
    if not path:
        return junk
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = spoilt(copy[path[0]], path[1:], junk)
    return copy


@pytest.mark.parametrize(
    "conditions", [[], FULL["status"]["conditions"]], ids=["goes on", "has failed"]
)
def test_anything_may_stand_in_any_field(conditions: list[Any]) -> None:
    workload = keep_workload({**FULL, "status": {**FULL["status"], "conditions": conditions}})
    for place, junk in product(places(FULL_POD), JUNK):
        phase(workload, [keep_pod(spoilt(FULL_POD, place, junk))], JOB, AT, started=False)
    for place, junk in product(places(FULL), JUNK):
        phase(
            keep_workload(spoilt(FULL, place, junk)), [keep_pod(FULL_POD)], JOB, AT, started=False
        )


def spoils(tree: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        spoilt, st.just(tree), st.sampled_from(places(tree)), st.sampled_from(JUNK)
    ) | st.just(tree)


@given(spoils(FULL), st.lists(spoils(FULL_POD), max_size=2), st.booleans(), st.booleans())
def test_no_object_is_too_strange(
    thing: dict[str, Any], pods: list[Any], failed: bool, started: bool
) -> None:
    if not failed:
        thing = {**thing, "status": {}}
    found = phase(keep_workload(thing), [keep_pod(one) for one in pods], JOB, AT, started=started)
    assert isinstance(found, Pending | Running | Finished)


@pytest.mark.parametrize(
    "rules",
    [
        {"success": 5}, {"failure": {}}, {"container": None}, {"pod_labels": ["a"]},
        {"pod_labels": {"a": 1}}, {"sidecar": "yes"}, {"retain": 1}, {"other": 1},
    ],
    ids=str,
)  # fmt: skip
def test_rules_that_others_have_written_are_none(rules: dict[str, Any]) -> None:
    assert parse_rules(write_rules(JOB)) == JOB
    assert parse_rules(json.dumps({**json.loads(write_rules(JOB)), **rules})) is None
