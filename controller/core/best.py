"""The best trial of one objective, or the Pareto front of several.

Only trials that keep every constraint count.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeGuard

from controller.core.experiment import Best, Experiment, Member, Progress, Reference
from controller.core.pareto import covers, crowding, hypervolume
from events.facts import TrialConcluded, TrialState
from events.ids import TrialNumber
from events.spec.experiment import ExperimentSpec
from events.spec.outcomes import feasible

RANKED = frozenset({TrialState.SUCCEEDED, TrialState.EARLY_STOPPED})
"""States whose trials can be the best. What failed and killed trials reported last does not count.
"""
MOST_MEMBERS = 100
"""Members of the front that the state keeps. Of more, the most crowded one is dropped, but never
the newest."""
REFERENCE_TRIALS = 10
"""How many trials, the first ones with values, set the reference point of the hypervolume."""


def complete(values: Sequence[float | None]) -> TypeGuard[Sequence[float]]:
    """Whether there is a value for each objective."""
    return bool(values) and None not in values


def with_conclusion(progress: Progress, spec: ExperimentSpec, fact: TrialConcluded) -> Progress:
    """`progress` after a conclusion: with its best trial, front, reference point and count of
    infeasible trials."""
    if fact.state not in RANKED:
        return progress
    if not complete(fact.values):
        return replace(progress, best=Best(fact.trial, None)) if _is_text(spec, fact) else progress
    if spec.multi_objective:
        progress = replace(progress, reference=_reference(progress.reference, spec, fact.values))
    if not feasible(fact.violations):
        missed = any(amount for amount in fact.violations)
        return replace(progress, infeasible=progress.infeasible + missed)
    if spec.multi_objective:
        return replace(
            progress, front=_front(progress.front, spec, Member(fact.trial, tuple(fact.values)))
        )
    value = fact.values[0]
    before = progress.best.value if progress.best is not None else None
    if before is not None and not spec.first_objective.better(value, before):
        return progress
    return replace(progress, best=Best(fact.trial, value))


def _is_text(spec: ExperimentSpec, fact: TrialConcluded) -> bool:
    """Has the trial a text for its one objective? Texts have no order, so the latest one counts, as
    in Katib."""
    seen = None if spec.multi_objective else fact.observation.get(spec.first_objective.metric)
    return seen is not None and seen.text is not None


def is_best(experiment: Experiment, fact: TrialConcluded) -> bool:
    """Whether the conclusion makes its trial the best, or a member of the front."""
    progress = with_conclusion(experiment.progress, experiment.spec, fact)
    return fact.trial in best_trials(progress)


def best_trials(progress: Progress) -> list[TrialNumber]:
    """The numbers of the best trial, or of the front's members."""
    return [member.trial for member in progress.front] + (
        [progress.best.trial] if progress.best else []
    )


def goal_reached(experiment: Experiment) -> bool:
    """Whether one trial meets the goals of all objectives that have one."""
    spec, progress = experiment.spec, experiment.progress
    if not spec.multi_objective:
        value = progress.best.value if progress.best is not None else None
        return value is not None and spec.first_objective.reached(value)
    aims = [
        (place, target)
        for place, target in enumerate(spec.all_objectives)
        if target.goal is not None
    ]
    return bool(aims) and any(
        all(target.reached(member.values[place]) for place, target in aims)
        for member in progress.front
    )


def reference_point(experiment: Experiment) -> tuple[float, ...] | None:
    """The point from which the hypervolume is measured: as in the spec, else the worst values of
    the first trials."""
    fixed = experiment.progress.reference
    given = [target.reference for target in experiment.spec.all_objectives]
    if None not in given:
        return tuple(value for value in given if value is not None)
    if fixed is None:
        return None
    return tuple(
        worst if own is None else own for own, worst in zip(given, fixed.values, strict=True)
    )


def front_volume(experiment: Experiment) -> float | None:
    """The hypervolume of the front that the state keeps; None while there is no reference point."""
    spec, point = experiment.spec, reference_point(experiment)
    if point is None:
        return None
    return hypervolume(
        (spec.losses(member.values) for member in experiment.progress.front), spec.losses(point)
    )


def _front(front: Sequence[Member], spec: ExperimentSpec, new: Member) -> tuple[Member, ...]:
    losses = spec.losses(new.values)
    if any(covers(spec.losses(member.values), losses) for member in front):
        return tuple(front)
    kept = [member for member in front if not covers(losses, spec.losses(member.values))]
    if len(kept) >= MOST_MEMBERS:
        distances = crowding([spec.losses(member.values) for member in (*kept, new)])[:-1]
        kept.pop(min(range(len(kept)), key=lambda place: (distances[place], -kept[place].trial)))
    return (*kept, new)


def _reference(
    before: Reference | None, spec: ExperimentSpec, values: Sequence[float]
) -> Reference:
    if before is None:
        return Reference(tuple(values), 1)
    if before.trials >= REFERENCE_TRIALS:
        return before
    pairs = zip(spec.all_objectives, before.values, values, strict=True)
    return Reference(
        tuple(old if target.better(new, old) else new for target, old, new in pairs),
        before.trials + 1,
    )
