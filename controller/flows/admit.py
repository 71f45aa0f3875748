"""A submitted experiment → a new one, the same one going on, or a refusal that shows the difference."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

from controller.core.decide import admitted
from controller.core.evolve import found
from controller.core.experiment import Experiment
from controller.store.ledger import Ledger
from controller.store.outbox import Mailbox
from events.envelope import Envelope
from events.ids import Shard
from events.signals import ExperimentSubmitted, ExtensionRequested, ResumeRequested
from events.spec import ExperimentSpec


class DifferentSpecError(Exception):
    """An experiment of this name exists with another spec; `differences` lists (place, old, new)."""

    def __init__(self, name: str, differences: list[tuple[str, object, object]]) -> None:
        self.differences = differences
        lines = "\n".join(f"  {place}: was {old!r}, now {new!r}" for place, old, new in differences)
        super().__init__(
            f"the experiment {name!r} exists with another spec:\n{lines}\n"
            "Only a larger maxTrialCount can be given to it. Use another name, or delete it first."
        )


@dataclass(frozen=True, slots=True)
class Admission:
    """The experiment that a submission led to."""

    experiment: Experiment
    shard: Shard
    new: bool


async def admit(ledger: Ledger, mailbox: Mailbox, submitted: Envelope) -> Admission:
    """Record the experiment, or go on with (and perhaps extend) the one that has its name.

    Raises DifferentSpecError.
    """
    wanted = submitted.body
    assert isinstance(wanted, ExperimentSubmitted)
    known = await ledger.find(wanted.namespace, wanted.name)
    if known is None:
        fact = admitted(wanted, submitted.at)
        (envelope,) = submitted.consequences([fact])
        await ledger.admit_alone(found(submitted.experiment, fact), envelope)
        known = await ledger.find(wanted.namespace, wanted.name)
        assert known is not None
        if known[0].identity.id == submitted.experiment:
            return Admission(*known, new=True)
    for request in beyond(known[0], wanted.spec):
        await mailbox.leave(uuid4(), known[0].identity.id, submitted.at, request)
    return Admission(*known, new=False)


def beyond(known: Experiment, spec: ExperimentSpec) -> Iterator[ExtensionRequested | ResumeRequested]:
    """What to ask for so that a known experiment goes on as `spec`: more trials, and to go on if it was paused or
    stopped. Raises DifferentSpecError."""
    differences = differing(known.spec, spec)
    if differences:
        raise DifferentSpecError(known.identity.name, differences)
    limit = spec.max_trial_count
    if limit is not None and limit != known.spec.max_trial_count:
        yield ExtensionRequested(max_trial_count=limit)
    yield ResumeRequested()


def differing(old: ExperimentSpec, new: ExperimentSpec) -> list[tuple[str, object, object]]:
    """Where the specs differ, a larger maxTrialCount apart."""
    found: list[tuple[str, object, object]] = []
    _compare(old.model_dump(mode="json"), new.model_dump(mode="json"), "spec", found)
    larger = old.max_trial_count is not None and (new.max_trial_count or 0) > old.max_trial_count
    return [one for one in found if not (larger and one[0] == "spec.maxTrialCount")]


def _compare(old: object, new: object, place: str, found: list[tuple[str, object, object]]) -> None:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            _compare(old.get(key), new.get(key), f"{place}.{key}", found)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            _compare(one, other, f"{place}[{index}]", found)
    elif old != new:
        found.append((place, old, new))
