"""One experiment as the JSON document that `run` and `show` print, and the counts behind it."""

import json
from collections import Counter
from collections.abc import Sequence
from math import isfinite
from typing import Any

from algorithms.search import algorithm_of
from controller.core.best import front_volume, reference_point
from controller.core.experiment import Experiment
from controller.store.queries import Queries
from controller.store.queries.experiments import ExperimentSnapshot
from controller.store.queries.trials import TrialRow
from controller.views import words
from events.facts import TrialState
from events.ids import trial_name
from events.spec.space import Assignment, Scalar


def trial_counts(experiment: Experiment) -> dict[TrialState, int]:
    """How many trials are in each state, the states without any included."""
    counts, live = (
        experiment.progress.counts,
        Counter(trial.state for trial in experiment.progress.live.values()),
    )
    concluded = {
        TrialState.SUCCEEDED: counts.succeeded,
        TrialState.FAILED: counts.failed,
        TrialState.EARLY_STOPPED: counts.early_stopped,
        TrialState.KILLED: counts.killed,
        TrialState.METRICS_UNAVAILABLE: counts.metrics_unavailable,
    }
    return {state: concluded.get(state, 0) + live[state] for state in TrialState}


def state_words(experiment: Experiment) -> str:
    """The state and, once it is known, why."""
    verdict = experiment.progress.verdict
    if verdict is None:
        return experiment.progress.state.value
    if not experiment.done:
        state = experiment.progress.state.value
        return f"{state} (ending as {verdict.state.value}: {verdict.message})"
    return f"{verdict.state.value} ({verdict.reason.value}: {verdict.message})"


def state_after_trials(experiment: Experiment) -> str:
    """Such as `digits Paused after 7 trials`."""
    done = words.count(experiment.progress.counts.concluded, "trial")
    return f"{experiment.identity.name} {experiment.progress.state.value} after {done}"


def counts_words(experiment: Experiment) -> str:
    """Such as `7 of 12 proposed: 5 Succeeded, 2 Running`."""
    counts = [f"{count:,} {state}" for state, count in trial_counts(experiment).items() if count]
    budget, proposed = experiment.spec.max_trial_count, experiment.progress.proposed
    total = (
        f"{proposed:,} of {budget:,} proposed"
        if budget
        else f"{proposed:,} proposed, without limit"
    )
    return f"{total}: {', '.join(counts)}" if counts else total


def algorithm_words(experiment: Experiment) -> str:
    """The search with its settings, the seed, and the early-stopping rule if there is one."""
    spec = experiment.spec
    name = algorithm_of(spec)
    settings = (
        f" ({words.assignment(spec.algorithm.settings)})"
        if spec.algorithm and spec.algorithm.settings
        else ""
    )
    rule = f", stops early by {spec.early_stopping.algorithm_name}" if spec.early_stopping else ""
    return f"{name}{settings}, seed {experiment.identity.seed}{rule}"


def metric_values(experiment: Experiment, row: TrialRow) -> dict[str, float | str | None]:
    """The value of each metric that counts, by its strategy, or its text; objectives first."""
    names = dict.fromkeys((*experiment.spec.metrics, *row.observation))
    return {name: experiment.spec.value_or_text(row.observation, name) for name in names}


def in_order(experiment: Experiment, assignment: Assignment) -> dict[str, Scalar]:
    """The assignment in the order of the spec; JSON in the database keeps no order."""
    return {
        parameter.name: assignment[parameter.name]
        for parameter in experiment.spec.parameters
        if parameter.name in assignment
    }


def document(
    experiment: Experiment, best: TrialRow | None, front: Sequence[TrialRow]
) -> dict[str, Any]:
    """What is known of `experiment`, whose best trial is `best`, or which has this Pareto front, as
    JSON values.

    `trials` counts the trials in each state, `infeasible` those with a value that miss a
    constraint; `best` is null while no trial has a value, or if there are several objectives.
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
        "infeasible": progress.infeasible,
        "best": _best(experiment, best) if best else None,
        **(_front(experiment, front) if experiment.spec.multi_objective else {}),
    }


def _front(experiment: Experiment, rows: Sequence[TrialRow]) -> dict[str, Any]:
    volume, point = front_volume(experiment), reference_point(experiment)
    named = zip(experiment.spec.all_objectives, point or (), strict=point is not None)
    return {
        "front": [_best(experiment, row) for row in rows],
        "hypervolume": volume if volume is not None and isfinite(volume) else None,
        "referencePoint": {target.metric: value for target, value in named},
    }


def _best(experiment: Experiment, row: TrialRow) -> dict[str, Any]:
    return {
        "trial": row.number,
        "name": trial_name(experiment.identity.name, row.number),
        "value": row.value,
        **({"values": list(row.values)} if experiment.spec.multi_objective else {}),
        "assignment": in_order(experiment, row.assignment),
        "metrics": metric_values(experiment, row),
    }


async def best_row(queries: Queries, experiment: Experiment) -> TrialRow | None:
    best = experiment.progress.best
    return await queries.trials.get(experiment.identity.id, best.trial) if best else None


async def front_rows(
    queries: Queries, experiment: Experiment, limit: int | None = None
) -> list[TrialRow]:
    """The members of the front that the state keeps, the best of the first objective first."""
    spec = experiment.spec
    members = sorted(experiment.progress.front, key=lambda member: spec.losses(member.values))
    return await queries.trials.numbered(
        experiment.identity.id, [member.trial for member in members[:limit]]
    )


async def read_document(queries: Queries, snapshot: ExperimentSnapshot) -> dict[str, Any]:
    """`document` of an experiment, its best trials read, with its times; of an earlier moment also
    which one."""
    best, front = (
        await best_row(queries, snapshot.experiment),
        await front_rows(queries, snapshot.experiment),
    )
    tree = document(snapshot.experiment, best, front)
    concluded = snapshot.concluded_at
    return {
        **tree,
        "createdAt": snapshot.created_at.isoformat(),
        "concludedAt": concluded.isoformat() if concluded else None,
        "quarantine": _quarantine(snapshot),
        **(
            {
                "asOf": {
                    "time": snapshot.now.isoformat(),
                    "event": snapshot.experiment.progress.version,
                }
            }
            if snapshot.past
            else {}
        ),
    }


def _quarantine(snapshot: ExperimentSnapshot) -> dict[str, Any] | None:
    held = snapshot.quarantine
    if held is None:
        return None
    return {
        "flow": held.flow,
        "reason": held.reason,
        "failures": held.failures,
        "since": held.since.isoformat(),
        "retryAt": held.retry_at.isoformat(),
    }


def as_json(tree: Any) -> str:
    """For people and scripts: indented, with every character as it is."""
    return json.dumps(tree, indent=2, ensure_ascii=False, allow_nan=False)
