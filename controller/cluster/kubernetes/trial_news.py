"""What happens to a trial → Katib's events about its object."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from controller.cluster.kubernetes.reading import text_of
from events.facts import TrialState

NOT_CREATED = frozenset(
    {
        "Unreachable",
        "NotFound",
        "NamespaceTerminating",
        "QuotaExceeded",
        "Forbidden",
        "KindNotFound",
    }
)
"""Why a trial waits whose workload could not be created."""


@dataclass(frozen=True, slots=True)
class News:
    """An event to write. `kind`: Normal or Warning."""

    kind: str
    reason: str
    message: str


def news_of_live(
    job: str, before: Mapping[str, Any], status: Mapping[str, Any], message: str
) -> Iterator[News]:
    """What is new in the `status` of a live trial. `job`: the name of the attempt's workload;
    `message`: why it waits."""
    runs, ran = (
        one.get("attempt") if one.get("state") == TrialState.RUNNING else None
        for one in (status, before)
    )
    reason = text_of(status, "reason")
    if runs is not None and runs != ran:
        yield News("Normal", "JobCreated", f"Job {job} has been created")
        yield News("Normal", "JobRunning", f"Job {job} is running")
    elif reason in NOT_CREATED and reason != text_of(before, "reason"):
        yield News("Warning", "ReconcileError", f"{reason}: {message}")


def news_of_end(job: str, state: TrialState, message: str) -> Iterator[News]:
    """A trial has been concluded. As with Katib, none tells of one stopped early or killed.
    `message`: what the conclusion says, for a trial without metrics."""
    match state:
        case TrialState.SUCCEEDED:
            yield News("Normal", "JobSucceeded", f"Job {job} has succeeded")
        case TrialState.FAILED:
            yield News("Normal", "JobFailed", f"Job {job} has failed")
        case TrialState.METRICS_UNAVAILABLE:
            told = f"Metrics are not available for Job {job}: {message}"
            yield News("Warning", "MetricsUnavailable", told)
