"""Experiments as lines of a list."""

from datetime import datetime
from typing import Any

from controller.store.queries.experiments import ExperimentSummary
from controller.views import words

EXPERIMENT_TITLES = ("name", "namespace", "state", "trials", "running", "best", "age")


def experiment_cells(row: ExperimentSummary, now: datetime) -> tuple[str, ...]:
    """The texts under EXPERIMENT_TITLES."""
    done = f"{row.concluded}/{row.budget}" if row.budget else str(row.concluded)
    return (
        row.name,
        row.namespace,
        f"{row.state} (quarantine)" if row.quarantined else row.state,
        done,
        str(row.live),
        f"front of {row.front}" if row.front else words.number(row.best),
        words.age(row.created_at, now),
    )


def experiment_tree(row: ExperimentSummary) -> dict[str, Any]:
    """As JSON values."""
    return {
        "name": row.name,
        "namespace": row.namespace,
        "state": row.state.value,
        "concluded": row.concluded,
        "maxTrialCount": row.budget,
        "live": row.live,
        "best": row.best,
        "front": row.front,
        "createdAt": row.created_at.isoformat(),
        "quarantined": row.quarantined,
    }
