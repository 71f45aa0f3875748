"""One experiment as the JSON document that `run` and `show` print, and the counts behind it."""

import json
from collections import Counter
from typing import Any

from controller.core.experiment import Experiment
from controller.store.queries import Found, Queries, TrialRow
from events.facts import TrialState
from events.ids import trial_name
from events.space import Assignment, Scalar


def trial_counts(experiment: Experiment) -> dict[TrialState, int]:
    """How many trials are in each state, the states without any included."""
    counts, live = experiment.progress.counts, Counter(trial.state for trial in experiment.progress.live.values())
    concluded = {
        TrialState.SUCCEEDED: counts.succeeded,
        TrialState.FAILED: counts.failed,
        TrialState.EARLY_STOPPED: counts.early_stopped,
        TrialState.KILLED: counts.killed,
        TrialState.METRICS_UNAVAILABLE: counts.metrics_unavailable,
    }
    return {state: concluded.get(state, 0) + live[state] for state in TrialState}


def metric_values(experiment: Experiment, row: TrialRow) -> dict[str, float | None]:
    """The value of each metric that counts, by its strategy, objectives first."""
    target = experiment.spec.target
    names = dict.fromkeys((*experiment.spec.metrics, *row.observation))
    return {name: target.value(row.observation, name) for name in names}


def in_order(experiment: Experiment, assignment: Assignment) -> dict[str, Scalar]:
    """The assignment with its parameters in the order of the spec; JSON in the database keeps none."""
    return {
        parameter.name: assignment[parameter.name]
        for parameter in experiment.spec.parameters
        if parameter.name in assignment
    }


def document(experiment: Experiment, best: TrialRow | None) -> dict[str, Any]:
    """What is known of `experiment`, whose best trial is `best`, as JSON values.

    `trials` counts the trials in each state; `best` is null while no trial has a value.
    """
    identity, progress = experiment.identity, experiment.progress
    verdict = progress.verdict
    return {
        "name": identity.name,
        "namespace": identity.namespace,
        "id": str(identity.id),
        "state": progress.state.value,
        "reason": verdict.reason.value if verdict else None,
        "message": verdict.message if verdict else "",
        "trials": {state.value: count for state, count in trial_counts(experiment).items()},
        "best": _best(experiment, best) if best else None,
    }


def _best(experiment: Experiment, row: TrialRow) -> dict[str, Any]:
    return {
        "trial": row.number,
        "name": trial_name(experiment.identity.name, row.number),
        "value": row.value,
        "assignment": in_order(experiment, row.assignment),
        "metrics": metric_values(experiment, row),
    }


async def best_row(queries: Queries, experiment: Experiment) -> TrialRow | None:
    best = experiment.progress.best
    return await queries.trial(experiment.identity.id, best.trial) if best else None


async def read_document(queries: Queries, found: Found) -> dict[str, Any]:
    """`document` of an experiment, its best trial read, with its times; of an earlier moment also which one."""
    tree = document(found.experiment, await best_row(queries, found.experiment))
    concluded = found.concluded_at
    return {
        **tree,
        "createdAt": found.created_at.isoformat(),
        "concludedAt": concluded.isoformat() if concluded else None,
        **({"asOf": {"time": found.now.isoformat(), "event": found.experiment.progress.version}} if found.past else {}),
    }


def as_json(tree: Any) -> str:
    """For people and scripts: indented, with every character as it is."""
    return json.dumps(tree, indent=2, ensure_ascii=False, allow_nan=False)
