"""What a view of a running experiment says: the best so far, the time left, the running trials."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from controller.core.evolve import begin
from controller.core.experiment import Best, Counts, Experiment, LiveTrial
from controller.store.queries.curves import LatestValue
from controller.store.queries.experiments import ExperimentSnapshot
from controller.views.progress import best_line, running_trials, time_left_words
from events.facts import ExperimentAdmitted, StopReason, TrialState
from events.ids import ExperimentId, TrialNumber
from events.spec.document import load
from tests.controller.histories import text

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def experiment(**progress: Any) -> Experiment:
    """One of 20 trials that minimises `loss`, with this progress."""
    spec = load(text("digits", trials=20).encode()).spec
    new = begin(
        ExperimentId(uuid4()),
        ExperimentAdmitted(name="digits", namespace="default", spec=spec, seed=1),
    )
    return replace(new, progress=replace(new.progress, **progress))


@pytest.mark.parametrize(
    ("progress", "told"),
    [
        ({"counts": Counts(succeeded=4)}, ""),
        ({"counts": Counts(succeeded=8)}, "about 30 s left"),
        ({"deadline": START + timedelta(seconds=25)}, "15 s of the budget left"),
        ({"deadline": START}, "0.0 s of the budget left"),
    ],
)
def test_the_time_left_follows_from_the_pace_of_this_run_or_from_the_budget(
    progress: dict[str, Any], told: str
) -> None:
    """Four trials were concluded when the run began, ten seconds ago."""
    snapshot = ExperimentSnapshot(
        experiment(**progress), START, None, START + timedelta(seconds=10)
    )
    assert time_left_words(snapshot, START, 4) == told


def test_the_best_so_far() -> None:
    assert best_line(experiment()) == "no result yet"
    assert best_line(experiment(infeasible=1)) == "no result yet; 1 trial infeasible"
    assert best_line(experiment(best=Best(TrialNumber(3), 0.25))) == "best loss=0.25 by digits-3"
    assert best_line(experiment(best=Best(TrialNumber(3), None))) == "latest loss by digits-3"


def test_running_trials_with_their_last_value() -> None:
    live = {
        TrialNumber(1): LiveTrial(TrialState.RUNNING, 1),
        TrialNumber(2): LiveTrial(TrialState.RUNNING, 1, stopping=StopReason.EARLY_STOPPING),
        TrialNumber(3): LiveTrial(TrialState.PENDING, 1),
        TrialNumber(4): LiveTrial(TrialState.PENDING, 1),
    }
    last = {TrialNumber(1): LatestValue(7, START, 0.5)}
    assert list(running_trials(experiment(live=live), last, 3)) == [
        ("digits-1", "Running", "loss=0.5 at report 7", True),
        ("digits-2", "stopping", "", True),
        ("digits-3", "Pending", "", False),
    ]
