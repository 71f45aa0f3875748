"""The one door for new experiments: what may be recorded, what continues an experiment, and what is
refused.

`run` uses `admit`, a controller `begin`, an object of Kubernetes `examine` and `require_free_name`;
whoever hands a spec in again asks `continuation` what has to be requested.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from controller.core.decide import admitted
from controller.core.differences import Difference, differences
from controller.core.evolve import begin
from controller.core.experiment import Experiment
from controller.store.ledger import FIRST_EMBEDDED_SHARD, Ledger
from controller.store.outbox import Mailbox
from controller.store.warm_start import with_rows
from events.envelope import Envelope
from events.errors import RefusalError
from events.ids import ExperimentId, Shard
from events.signals import ExperimentSubmitted, ExtensionRequested, ResumeRequested
from events.spec.defaults import with_defaults
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Problem
from events.spec.validation import name_problem, problems
from events.spec.warm_start import rows_problems

Check = Callable[[str, ExperimentSpec], Awaitable[ExperimentSpec]]
"""The spec of an experiment in a namespace, with what is known of it here alone, such as a template
in a ConfigMap. Raises InvalidSpecError if it cannot run here."""


MAX_SPEC_BYTES = 800 * 1024
"""Of its JSON, with the rows of its warm start: it travels in one record of Kafka, in which there
is more."""


class InvalidSpecError(RefusalError):
    """The spec cannot run here; `problems` are sentences, each with its place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = [f"{'.'.join(map(str, one.path))}: {one.message}" for one in problems]
        super().__init__(f"the spec cannot run here: {'; '.join(self.problems)}")


class NameTakenError(RefusalError):
    """Another experiment has the name."""


class WasDeletedError(RefusalError):
    """The experiment itself was recorded once, and deleted."""


class DifferentSpecError(RefusalError):
    """An experiment of this name exists with another spec; `differences` lists (place, old,
    new)."""

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


def require_none(problems: Iterable[Problem]) -> None:
    """Raises InvalidSpecError if there are problems."""
    if found := list(problems):
        raise InvalidSpecError(found)


def check_of(problems: Callable[[ExperimentSpec], Iterable[Problem]]) -> Check:
    """The check that the spec has none of these problems."""

    async def check(_: str, spec: ExperimentSpec) -> ExperimentSpec:
        require_none(problems(spec))
        return spec

    return check


async def examine(
    ledger: Ledger, check: Check, namespace: str, spec: ExperimentSpec
) -> ExperimentSpec:
    """The spec as it is recorded: with its defaults, its template, and the rows of its warm start.

    It is examined as one in a file is, whoever submitted it and by whichever version. Raises
    InvalidSpecError; MissingSourceError if a ConfigMap or an earlier experiment is missing.
    """
    spec = with_defaults(spec)
    if found := list(problems(_as_written(spec), katib=False)):
        raise InvalidSpecError(found)
    complete = await with_rows(ledger, namespace, await check(namespace, spec))
    if found := list(_size_problems(complete)):
        raise InvalidSpecError(found)
    return complete


def _as_written(spec: ExperimentSpec) -> ExperimentSpec:
    """Without the rows that the command line has put in beside the file that they are from."""
    warm = spec.warm_start
    if warm is None or warm.file is None:
        return spec
    return spec.model_copy(update={"warm_start": warm.model_copy(update={"rows": None})})


def _size_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    warm = spec.warm_start
    if warm is not None and warm.rows is not None:
        yield from rows_problems(warm.rows, ("spec", "warmStart", "rows"))
    size = len(spec.model_dump_json(by_alias=True).encode())
    if size > MAX_SPEC_BYTES:
        yield Problem(
            ("spec",),
            f"has {size:,} bytes with the rows of its warm start; at most {MAX_SPEC_BYTES:,} fit "
            "into a record: shorten the template, or give fewer rows",
        )


async def require_free_name(
    ledger: Ledger, experiment: ExperimentId, namespace: str, name: str
) -> None:
    """Raises WasDeletedError, NameTakenError. To record an experiment asks the same again, in one
    statement."""
    if await ledger.was_deleted(experiment):
        raise WasDeletedError(f"the experiment {name!r} was deleted")
    if await ledger.find(namespace, name) is not None:
        raise NameTakenError(f"there is another experiment {name!r} in namespace {namespace!r}")


async def prepare(
    ledger: Ledger, check: Check, submitted: Envelope, at: datetime
) -> tuple[Experiment, Envelope]:
    """The new experiment and its first fact, which are still to be recorded; its wall-clock budget
    begins `at` then. Raises as `examine`."""
    body = submitted.body
    assert isinstance(body, ExperimentSubmitted)
    if problem := name_problem(body.name):
        raise InvalidSpecError([problem])
    spec = await examine(ledger, check, body.namespace, body.spec)
    fact = admitted(body.model_copy(update={"spec": spec}), at)
    (envelope,) = submitted.consequences([fact])
    return begin(submitted.experiment, fact), envelope


async def admit(ledger: Ledger, mailbox: Mailbox, check: Check, submitted: Envelope) -> Admission:
    """Record the experiment in a shard of its own, or continue (and perhaps extend) the one that
    has its name.

    Raises DifferentSpecError, NameTakenError if that one belongs to the controllers, and as
    `examine`.
    """
    body = submitted.body
    assert isinstance(body, ExperimentSubmitted)
    known = await ledger.find(body.namespace, body.name)
    if known is None:
        submitted = replace(submitted, at=await ledger.now())
        experiment, first = await prepare(ledger, check, submitted, submitted.at)
        shard = await ledger.admit_alone(experiment, first)
        if shard is not None:
            return Admission(experiment, shard, new=True)
        known = await ledger.find(body.namespace, body.name)  # somebody else has just recorded it
        assert known is not None
    experiment, shard = known
    if shard < FIRST_EMBEDDED_SHARD:
        raise NameTakenError(
            f"{body.name!r} is an experiment of the controllers; hand it in with: trialstream "
            "submit, "
            "or use another name"
        )
    for request in continuation(experiment, body.spec):
        await mailbox.add(uuid4(), experiment.identity.id, submitted.at, request)
    return Admission(experiment, shard, new=False)


def continuation(
    known: Experiment, spec: ExperimentSpec
) -> Iterator[ExtensionRequested | ResumeRequested]:
    """The requests by which a known experiment continues as `spec`: for more trials, and to resume
    if it was paused or stopped. Raises DifferentSpecError."""
    if different := refused_differences(known.spec, spec):
        raise DifferentSpecError(known.identity.name, different)
    limit = spec.max_trial_count
    if limit is not None and limit != known.spec.max_trial_count:
        yield ExtensionRequested(max_trial_count=limit)
    yield ResumeRequested()


def refused_differences(old: ExperimentSpec, new: ExperimentSpec) -> list[Difference]:
    """Where the specs differ, a larger maxTrialCount apart."""
    larger = old.max_trial_count is not None and (new.max_trial_count or 0) > old.max_trial_count
    return [one for one in differences(old, new) if not (larger and one[0] == "spec.maxTrialCount")]
