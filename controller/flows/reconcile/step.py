"""One look at one object of an experiment: what is asked for there is passed on, and what is known
is shown there."""

import logging
import time
from dataclasses import dataclass, replace

from controller.cluster.kubernetes.objects import Condition, ExperimentObject
from controller.cluster.kubernetes.projection import refused_status, with_condition
from controller.core.edits import edit_refusal
from controller.core.experiment import Experiment
from controller.flows.admit import (
    InvalidSpecError,
    NameTakenError,
    WasDeletedError,
    examine,
    require_free_name,
)
from controller.flows.reconcile.display import Display
from controller.flows.reconcile.record import INTERVAL_SECONDS, Delay, Ports, Record
from controller.store.holding import Holding
from controller.store.quarantine import MAX_REASON, is_own
from events import topics
from events.clock import now
from events.envelope import Envelope, send
from events.errors import MissingSourceError
from events.ids import consequence
from events.signals import (
    DeletionRequested,
    EditRequested,
    ExperimentSubmitted,
    PauseRequested,
    ResumeRequested,
    Signal,
)
from events.spec.document import ExperimentDocument, load_object, load_tree
from events.spec.yaml import DocumentError

ASK_AGAIN_SECONDS = 20.0
PAUSED = "PausedByEdit"
"""The condition that an edit of parallelTrialCount to 0 has paused it."""
NAME_TAKEN = "there is another experiment of this name, which is no object here"
REFUSED_SECONDS = 2.0
"""Until the next look at an object whose name may become free, or whose earlier experiment may
come."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """One step from what there is to what should be."""

    ports: Ports
    obj: ExperimentObject
    holding: Holding
    record: Record
    display: Display

    async def take(self) -> Delay:
        """Do what can be done now. Raises ApiError, and what the store and the bus raise."""
        experiment = self.holding.experiments.get(self.obj.id)
        if experiment is None and (stored := await self.ports.ledger.get(self.obj.id)) is not None:
            experiment = stored[0]
        if self.obj.being_deleted:
            return await self._finalize(experiment)
        if not self.obj.held:
            await self.ports.experiments.hold(self.obj)
            return INTERVAL_SECONDS
        if experiment is None:
            return await self._submit()
        delay = await self.display.show(experiment, await self._edit(experiment))
        if delay is None and experiment.done:
            self._settle()
        return delay

    def _settle(self) -> None:
        self.record.settled = self.obj.resource_version

    async def _finalize(self, experiment: Experiment | None) -> Delay:
        """Delete the experiment first, then let its object be removed."""
        if not self.obj.held:
            self._settle()
            return None
        if experiment is not None:
            if not experiment.progress.deleting:
                await self._ask("delete", DeletionRequested())
            return INTERVAL_SECONDS
        if await self.ports.ledger.was_deleted(self.obj.id):
            await self.ports.experiments.release(self.obj)
        else:  # a submission may be on its way, however long that takes
            await self.ports.ledger.forbid(self.obj.id)
        return INTERVAL_SECONDS

    async def _submit(self) -> Delay:
        """Hand the experiment in, or say in the object why it is refused."""
        ledger, check = self.ports.ledger, self.ports.check
        try:
            document = load_object(dict(self.obj.document))
            await examine(ledger, check, document.namespace, document.spec)
            await require_free_name(ledger, self.obj.id, document.namespace, document.name)
        except DocumentError as error:
            return await self._refuse("InvalidSpec", str(error), final=True)
        except InvalidSpecError as error:
            return await self._refuse("InvalidSpec", "\n".join(error.problems), final=True)
        except MissingSourceError as error:
            return await self._refuse("InvalidSpec", str(error), final=False)
        except WasDeletedError:
            message = "It was deleted; delete this object, too"
            return await self._refuse("ExperimentDeleted", message, final=True)
        except NameTakenError:
            message = f"{NAME_TAKEN}: trialstream delete {self.obj.namespace}/{self.obj.name}"
            return await self._refuse("NameTaken", message, final=False)
        except Exception as error:
            if not is_own(error):
                raise
            _log.exception("experiment %s cannot be examined", self.obj.name)
            message = f"It cannot be examined: {type(error).__name__}: {error}"
            return await self._refuse("InvalidSpec", message[:MAX_REASON], final=True)
        seed = document.spec.seed
        submitted = ExperimentSubmitted(
            name=document.name,
            namespace=document.namespace,
            spec=document.spec,
            seed=seed if seed is not None else self.obj.id.int % 2**32,
            origin=f"{self.obj.api_version}/{self.obj.kind}",
        )
        await self._ask("submit", submitted)
        return ASK_AGAIN_SECONDS

    async def _refuse(self, reason: str, message: str, *, final: bool) -> Delay:
        """`final`: nothing but a change of the object can help."""
        delay = await self.display.write(refused_status(self.obj, reason, message, now()))
        if not final:
            return REFUSED_SECONDS
        if delay is None:
            self._settle()
        return delay

    async def _ask(self, part: str, signal: Signal) -> None:
        """Tell the owner, which is this very process; again if nothing came of it."""
        if time.monotonic() - self.record.asked_at < ASK_AGAIN_SECONDS:
            return
        await self._ask_now(part, signal)

    async def _ask_now(self, part: str, signal: Signal) -> None:
        self.record.asked_at = time.monotonic()
        signal_id = consequence(self.obj.id, part)
        request = Envelope(signal_id, None, self.obj.id, now(), signal)
        await send(self.ports.bus, topics.SIGNALS, self.holding.shard, [request])

    async def _edit(self, experiment: Experiment) -> list[Condition]:
        """Ask for what was changed in the object; the conditions that it then has, also if that is
        refused."""
        before = self.obj.conditions
        if self.obj.generation == self.obj.status.get("observedGeneration"):
            return before
        pauses = _asks_for_pause(self.obj)
        obj = _with_parallel(self.obj, experiment.spec.parallel) if pauses else self.obj
        try:
            wanted = _document(obj).spec
        except DocumentError as error:
            return self._edit_condition(True, "InvalidSpec", str(error))
        if refusal := edit_refusal(experiment, wanted):
            return self._edit_condition(True, "NotEditable", refusal)
        edited = EditRequested(
            parallel_trial_count=wanted.parallel,
            max_trial_count=wanted.max_trial_count,
            max_failed_trial_count=wanted.max_failed_trial_count,
        )
        fields = edited.model_dump(exclude={"type"}).items()
        if any(getattr(experiment.spec, name) != value for name, value in fields):
            await self._ask_now(f"edit/{self.obj.generation}", edited)
        if any(one.get("type") == "EditRefused" for one in before):
            before = self._edit_condition(False, "Edited", "The last edit was taken")
        return await self._pause(experiment, pauses, before)

    async def _pause(
        self, experiment: Experiment, pauses: bool, conditions: list[Condition]
    ) -> list[Condition]:
        """Ask for a pause or, where the object had asked for one, for its end; the conditions then.

        A pause that others asked for is left alone."""
        paused = any(one.get("type") == PAUSED and one["status"] == "True" for one in conditions)
        if pauses == paused:
            return conditions
        if not experiment.done:
            signal = PauseRequested() if pauses else ResumeRequested()
            await self._ask_now(f"pause/{self.obj.generation}", signal)
        reason = "ParallelTrialCountIsZero" if pauses else "ParallelTrialCountIsRaised"
        message = "No trial runs while spec.parallelTrialCount is 0" if pauses else "Trials run"
        obj = self.obj.with_conditions(conditions)
        return with_condition(obj, now(), PAUSED, pauses, reason, message)

    def _edit_condition(self, refused: bool, reason: str, message: str) -> list[Condition]:
        return with_condition(self.obj, now(), "EditRefused", refused, reason, message)


def _document(obj: ExperimentObject) -> ExperimentDocument:
    """Raises DocumentError."""
    return load_tree(dict(obj.document), {})


def _asks_for_pause(obj: ExperimentObject) -> bool:
    """0 is no number of trials, but Katib's users write it for a pause."""
    spec = obj.document.get("spec")
    count = spec.get("parallelTrialCount") if isinstance(spec, dict) else None
    return count == 0 and type(count) is int


def _with_parallel(obj: ExperimentObject, count: int) -> ExperimentObject:
    spec = {**obj.document["spec"], "parallelTrialCount": count}
    return replace(obj, document={**obj.document, "spec": spec})
