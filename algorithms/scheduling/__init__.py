"""When to give a trial up: the port that every stopping rule keeps, and the registry of rules by name."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from algorithms.scheduling.medianstop import MedianSettings, MedianStop
from algorithms.settings import Entry, Settings, entry, setting_problems
from events.spec.experiment import AlgorithmSpec, ExperimentSpec
from events.spec.validation import Problem


class Stopper(Protocol):
    """Watches the losses of running trials. State is a function of the order of the calls; not thread-safe."""

    def observe(self, trial: int, step: int, loss: float) -> bool:
        """Should `trial` be stopped now? `step` counts its reports from 1; one not later than the last is ignored."""
        ...

    def conclude(self, trial: int, *, succeeded: bool) -> None:
        """`trial` has ended; one that succeeded joins what others are compared with."""
        ...

    def forget(self, trial: int) -> None:
        """The attempt of `trial` starts over: what it reported does not count."""
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the registry."""

    summary: str
    schema: type[Settings]
    create: Callable[[AlgorithmSpec], Stopper]


RULES = {
    "medianstop": Rule(
        "stops a trial whose best is worse than the median of the finished ones at the same step",
        MedianSettings,
        lambda spec: MedianStop(MedianSettings.of(spec)),
    )
}


def create(spec: ExperimentSpec) -> Stopper | None:
    """The rule that a valid `spec` asks for; None if it asks for none."""
    wanted = spec.early_stopping
    return None if wanted is None else RULES[wanted.algorithm_name].create(wanted)


def problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Why no rule can serve `spec`: an unknown name, wrong settings, or objectives that it cannot weigh."""
    wanted = spec.early_stopping
    if wanted is None:
        return
    if spec.several:
        message = "does not go with several objectives: what is behind in one may be ahead in another; remove it"
        yield Problem(("spec", "earlyStopping"), message)
    rule = RULES.get(wanted.algorithm_name)
    if rule is None:
        message = f"{wanted.algorithm_name!r} is no known rule; there are: {', '.join(RULES)}"
        yield Problem(("spec", "earlyStopping", "algorithmName"), message)
    else:
        yield from setting_problems(wanted, rule.schema, ("spec", "earlyStopping", "algorithmSettings"))


def catalogue() -> Sequence[Entry]:
    """All rules with their settings, for people."""
    return [entry(name, rule.summary, rule.schema) for name, rule in RULES.items()]
