"""Which events Katib's users see about a trial."""

from typing import Any

import pytest

from controller.cluster.kubernetes.trial_news import news_of_end, news_of_live
from events.facts import TrialState

RUNS = {"state": "Running", "attempt": 1, "reason": ""}


@pytest.mark.parametrize(
    ("before", "status", "reasons"),
    [
        ({}, RUNS, ["JobCreated", "JobRunning"]),
        ({"state": "Pending", "attempt": 1}, RUNS, ["JobCreated", "JobRunning"]),
        (RUNS, RUNS, []),
        (RUNS, {**RUNS, "attempt": 2}, ["JobCreated", "JobRunning"]),
        ({}, {"state": "Pending", "attempt": 1, "reason": ""}, []),
        ({}, {"state": "Pending", "attempt": 1, "reason": "QuotaExceeded"}, ["ReconcileError"]),
        ({}, {"state": "Pending", "attempt": 1, "reason": "Unschedulable"}, []),
        ({"reason": "Forbidden"}, {"state": "Pending", "attempt": 1, "reason": "Forbidden"}, []),
    ],
)
def test_what_is_new_is_told_once(
    before: dict[str, Any], status: dict[str, Any], reasons: list[str]
) -> None:
    assert [one.reason for one in news_of_live("e-1-x", before, status, "no")] == reasons


def test_ends_are_told_as_katib_tells_them() -> None:
    told = {
        state: [*news_of_end("e-1-x", state, "'loss' was never reported")] for state in TrialState
    }
    assert {state: one[0].reason for state, one in told.items() if one} == {
        TrialState.SUCCEEDED: "JobSucceeded",
        TrialState.FAILED: "JobFailed",
        TrialState.METRICS_UNAVAILABLE: "MetricsUnavailable",
    }
    assert told[TrialState.METRICS_UNAVAILABLE][0].kind == "Warning"
    assert told[TrialState.METRICS_UNAVAILABLE][0].message == (
        "Metrics are not available for Job e-1-x: 'loss' was never reported"
    )


def test_a_status_that_others_have_written_tells_nothing() -> None:
    assert not list(news_of_live("j", {"reason": []}, {"reason": ["x"]}, "words"))
