"""Random histories of an experiment: signals in any order, doubled, delayed, of any attempt."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from controller.core.evolve import begin
from controller.core.experiment import Experiment
from events.facts import Cause, ExperimentAdmitted
from events.ids import ExperimentId, TrialNumber
from events.signals import (
    DeletionRequested,
    EditRequested,
    ExtensionRequested,
    MetricsCollected,
    PauseRequested,
    ResumeRequested,
    Signal,
    StopRequested,
    SuggestionsMade,
    TimePassed,
    TrialJudged,
    WorkloadEnded,
    WorkloadStarted,
    WorkloadWaiting,
)
from events.spec.objective import Observation, Summary
from tests.experiments import experiment_spec, fields_of

START = datetime(2026, 1, 1, tzinfo=UTC)


def experiment(
    total: int | None,
    parallel: int,
    failed: int | None = None,
    goal: float | None = None,
    extra: str = "",
    seconds: float | None = None,
    several: bool = False,
) -> Experiment:
    """A new experiment that minimises `loss` or, with `several`, `loss` and `size` where `latency
    <= 5`."""
    loss: dict[str, Any] = {"type": "minimize", "objectiveMetricName": "loss"}
    loss |= {} if goal is None else {"goal": goal}
    size = {"type": "maximize", "objectiveMetricName": "size", "goal": 5}
    fields: dict[str, Any] = {
        "objective": None if several else loss,
        "objectives": [loss, size] if several else None,
        "outcomeConstraints": ["latency <= 5"] if several else None,
        "algorithm": None,
        "parallelTrialCount": parallel,
        "maxTrialCount": total,
        "maxFailedTrialCount": failed,
    }
    spec = experiment_spec(**{**fields, **fields_of(extra)})
    deadline = None if seconds is None else START + timedelta(seconds=seconds)
    admitted = ExperimentAdmitted(
        name="e", namespace="default", spec=spec, seed=1, deadline=deadline
    )
    return begin(ExperimentId(UUID(int=1)), admitted)


def observation(value: float | None, count: int = 1) -> Observation:
    """What an attempt reported: one finite value, or (None) only values that are not."""
    return {"loss": Summary(min=value, max=value, latest=value, count=count)}


def outcome(loss: float | None, size: float | None, latency: float | None) -> Observation:
    """What an attempt reported of three metrics."""
    values = {"loss": loss, "size": size, "latency": latency}
    return {name: Summary(min=one, max=one, latest=one, count=1) for name, one in values.items()}


trials = st.integers(1, 12).map(TrialNumber)
attempts = st.integers(1, 4)
observations: st.SearchStrategy[Observation] = st.one_of(
    st.just({}),
    st.just(observation(None)),
    st.floats(-10, 10).map(observation),
    st.builds(outcome, *(st.none() | st.integers(-9, 9).map(float) for _ in range(3))),
)
signals: st.SearchStrategy[Signal] = st.one_of(
    st.builds(
        SuggestionsMade,
        request=st.integers(1, 30),
        assignments=st.lists(st.just({"x": 0.5}), max_size=5).map(tuple),
        told=st.just(0),
        exhausted=st.integers(0, 9).map(lambda n: n == 0),
    ),
    st.builds(WorkloadStarted, trial=trials, attempt=attempts),
    st.builds(WorkloadEnded, trial=trials, attempt=attempts, cause=st.sampled_from(Cause)),
    st.builds(MetricsCollected, trial=trials, attempt=attempts, observation=observations),
    st.builds(TrialJudged, trial=trials, attempt=attempts, message=st.just("")),
    st.sampled_from(
        [PauseRequested(), ResumeRequested(), StopRequested(), TimePassed(), TimePassed()]
    ),
    st.integers(0, 9).map(lambda n: TimePassed() if n else DeletionRequested()),
    st.builds(ExtensionRequested, max_trial_count=st.integers(1, 20)),
    st.builds(
        EditRequested, parallel_trial_count=st.integers(1, 4), max_trial_count=st.integers(1, 20)
    ),
    st.builds(
        WorkloadWaiting,
        trial=trials,
        attempt=attempts,
        reason=st.sampled_from(["Unschedulable", "Suspended"]),
    ),
)
histories = st.lists(st.tuples(signals, st.integers(1, 3)), max_size=120)
