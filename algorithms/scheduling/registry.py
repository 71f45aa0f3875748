"""All schedulers by name, and why an experiment cannot have the one that it asks for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from algorithms.scheduling.decision import Continue, SchedulingDecision, Stop
from algorithms.scheduling.medianstop import MedianSettings, MedianStop
from algorithms.scheduling.port import Scheduler
from algorithms.settings import AlgorithmSettings, CatalogueEntry, catalogue_entry, setting_problems
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Problem

CARRIED_OUT: frozenset[type[SchedulingDecision]] = frozenset({Continue, Stop})
"""The decisions that a controller can carry out; a scheduler that makes others is refused before
the start."""
PLACE = ("spec", "earlyStopping")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the registry."""

    summary: str
    schema: type[AlgorithmSettings]
    create: Callable[[ExperimentSpec], Scheduler]
    """Of a spec without problems."""
    decisions: frozenset[type[SchedulingDecision]]
    """All kinds of decisions that it makes."""


RULES: Mapping[str, Rule] = {
    "medianstop": Rule(
        "stops a trial whose best is worse than the median of the finished ones at the same step",
        MedianSettings,
        lambda spec: MedianStop(
            MedianSettings.of(spec.early_stopping), spec.first_objective.metric
        ),
        frozenset({Continue, Stop}),
    )
}


def create_scheduler(spec: ExperimentSpec) -> Scheduler | None:
    """The scheduler that a valid `spec` asks for; None if it asks for none."""
    wanted = spec.early_stopping
    return None if wanted is None else RULES[wanted.algorithm_name].create(spec)


def scheduler_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Why no scheduler can serve `spec`: an unknown name, wrong settings, or what no controller can
    do yet.
    """
    wanted = spec.early_stopping
    if wanted is None:
        return
    if spec.multi_objective:
        message = (
            "cannot be used with several objectives: what is behind in one may be ahead in "
            "another; remove it"
        )
        yield Problem(PLACE, message)
    rule = RULES.get(wanted.algorithm_name)
    if rule is None:
        message = f"{wanted.algorithm_name!r} is not a known rule; there are: {', '.join(RULES)}"
        yield Problem((*PLACE, "algorithmName"), message)
        return
    if unsupported := sorted(kind.__name__.lower() for kind in rule.decisions - CARRIED_OUT):
        message = (
            f"{wanted.algorithm_name} needs to {' and '.join(unsupported)} trials, which is not "
            "supported yet"
        )
        yield Problem((*PLACE, "algorithmName"), message)
    yield from setting_problems(wanted, rule.schema, (*PLACE, "algorithmSettings"))


def scheduler_catalogue() -> Sequence[CatalogueEntry]:
    """All schedulers with their settings, for people."""
    return [catalogue_entry(name, rule.summary, rule.schema) for name, rule in RULES.items()]
