"""A submitted experiment → a new one, the same one going on, or a refusal that shows the difference."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

from controller.core.decide import admitted
from controller.core.differences import Difference, differences
from controller.core.evolve import found
from controller.core.experiment import Experiment
from controller.store.ledger import Ledger
from controller.store.outbox import Mailbox
from controller.store.warm_start import with_rows
from events.envelope import Envelope
from events.errors import RefusalError
from events.ids import Shard
from events.signals import ExperimentSubmitted, ExtensionRequested, ResumeRequested
from events.spec.experiment import ExperimentSpec


class DifferentSpecError(RefusalError):
    """An experiment of this name exists with another spec; `differences` lists (place, old, new)."""

    def __init__(self, name: str, differences: list[Difference]) -> None:
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

    Raises DifferentSpecError, and UnknownEarlierError if it names an earlier experiment that is not there.
    """
    wanted = submitted.body
    assert isinstance(wanted, ExperimentSubmitted)
    known = await ledger.find(wanted.namespace, wanted.name)
    if known is None:
        spec = await with_rows(ledger, wanted.namespace, wanted.spec)
        fact = admitted(wanted.model_copy(update={"spec": spec}), submitted.at)
        (envelope,) = submitted.consequences([fact])
        await ledger.admit_alone(found(submitted.experiment, fact), envelope)
        known = await ledger.find(wanted.namespace, wanted.name)
        assert known is not None
        if known[0].identity.id == submitted.experiment:
            return Admission(*known, new=True)
    for request in beyond(known[0], wanted.spec):
        await mailbox.add(uuid4(), known[0].identity.id, submitted.at, request)
    return Admission(*known, new=False)


def beyond(known: Experiment, spec: ExperimentSpec) -> Iterator[ExtensionRequested | ResumeRequested]:
    """What to ask for so that a known experiment goes on as `spec`: more trials, and to go on if it was paused or
    stopped. Raises DifferentSpecError."""
    if found := differing(known.spec, spec):
        raise DifferentSpecError(known.identity.name, found)
    limit = spec.max_trial_count
    if limit is not None and limit != known.spec.max_trial_count:
        yield ExtensionRequested(max_trial_count=limit)
    yield ResumeRequested()


def differing(old: ExperimentSpec, new: ExperimentSpec) -> list[Difference]:
    """Where the specs differ, a larger maxTrialCount apart."""
    found = differences(old, new)
    larger = old.max_trial_count is not None and (new.max_trial_count or 0) > old.max_trial_count
    return [one for one in found if not (larger and one[0] == "spec.maxTrialCount")]
