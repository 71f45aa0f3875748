"""The facts of made-up experiments, decided by the controller's own core, as its relay publishes
them."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid5

from controller.core.decide import decide
from controller.core.evolve import begin
from controller.core.experiment import Experiment
from events.envelope import Envelope
from events.facts import Cause, ExperimentAdmitted
from events.ids import ExperimentId, TrialNumber
from events.signals import (
    MetricsCollected,
    Signal,
    SuggestionsMade,
    TimePassed,
    WorkloadEnded,
    WorkloadStarted,
)
from events.spec.document import load
from events.spec.objective import Summary
from tests.controller.histories import START, assignment, text

ROOT = UUID("b5ba5f0e-95ee-4a0b-8f25-2a1bd1e7ad5d")


def shard_of(experiment: ExperimentId, shards: int) -> int:
    return experiment.int % shards


def play(name: str, trials: int, namespace: str = "default") -> list[Envelope]:
    """All facts of an experiment that runs one trial after the other to a good end."""
    document = load(text(name, trials=trials, parallel=1, namespace=namespace).encode())
    admitted = ExperimentAdmitted(name=name, namespace=namespace, spec=document.spec, seed=1)
    number = ExperimentId(uuid5(ROOT, f"{namespace}/{name}"))
    experiment = begin(number, admitted)
    told = [Envelope(uuid5(number, "0"), None, number, START, admitted, 1, name, namespace)]
    experiment = _hear(experiment, TimePassed(), told)
    for trial in range(1, trials + 1):
        for signal in _signals(experiment, TrialNumber(trial)):
            experiment = _hear(experiment, signal, told)
    assert experiment.done
    return told


def _signals(experiment: Experiment, trial: TrialNumber) -> list[Signal]:
    request = experiment.progress.request
    assert request is not None
    seen = {"loss": Summary(min=1.0, max=2.0, latest=1.0, count=3)}
    return [
        SuggestionsMade(request=request.number, assignments=(assignment(trial),), told=trial - 1),
        WorkloadStarted(trial=trial, attempt=1),
        WorkloadEnded(trial=trial, attempt=1, cause=Cause.COMPLETED),
        MetricsCollected(trial=trial, attempt=1, observation=seen),
    ]


def _hear(experiment: Experiment, signal: Signal, told: list[Envelope]) -> Experiment:
    number, sequence = experiment.identity.id, experiment.progress.version
    at = START + timedelta(seconds=sequence)
    facts, after = decide(experiment, signal, at)
    asked = Envelope(uuid5(number, str(sequence)), None, number, at, signal)
    for place, one in enumerate(asked.consequences(facts), sequence + 1):
        name, namespace = experiment.identity.name, experiment.identity.namespace
        told.append(replace(one, sequence=place, name=name, namespace=namespace))
    return after
