"""Experiments as objects of Kubernetes ⇄ experiments as we know them: asked for there, shown there."""

import asyncio
import logging
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from controller.cluster.kubernetes.api_errors import ApiError, ConflictError, ThrottledError
from controller.cluster.kubernetes.experiments import FINALIZER, Experiments
from controller.cluster.kubernetes.labels import Object
from controller.cluster.kubernetes.projection import (
    REFUSED,
    ShownTrial,
    live_status,
    refused_status,
    status_of,
    trial_of,
    with_condition,
)
from controller.cluster.kubernetes.rate_limiter import Priority
from controller.core.differences import differences
from controller.core.experiment import Experiment, LiveTrial
from controller.flows.admit import (
    Check,
    InvalidSpecError,
    NameTakenError,
    WasDeletedError,
    examine,
    require_free_name,
)
from controller.store.holding import Holding
from controller.store.ledger import Ledger
from controller.store.queries import Queries
from controller.store.warm_start import UnknownEarlierError
from events import topics
from events.bus import Bus
from events.clock import now
from events.envelope import Envelope, send
from events.facts import Reason, TrialState
from events.ids import AttemptKey, ExperimentId, TrialNumber, consequence, shard_of
from events.signals import DeletionRequested, EditRequested, ExperimentSubmitted, Signal
from events.spec.document import ExperimentDocument, loaded
from events.spec.experiment import ExperimentSpec, ResumePolicy
from events.spec.placeholders import written
from events.spec.yaml import DocumentError

ROUND_SECONDS = 0.5
PENDING_SECONDS = 4.0
SHOW_SECONDS = 3.0
"""Between two writes of one experiment's counters, at least; its state is shown at once."""
MOST_SHOWN = 10
ASK_AGAIN_SECONDS = 20.0
_log = logging.getLogger(__name__)
EDITABLE = ("spec.parallelTrialCount", "spec.maxTrialCount", "spec.maxFailedTrialCount")


@dataclass(slots=True)
class Reconciler:
    """The objects of one shard's experiments. The id of an experiment is the uid of its object."""

    experiments: Experiments
    ledger: Ledger
    queries: Queries
    bus: Bus
    check: Check
    shards: int
    holding: Holding
    asked: dict[ExperimentId, float] = field(default_factory=dict)
    """Priority something was last asked for because of its object."""
    shown: dict[ExperimentId, float] = field(default_factory=dict)
    settled: dict[ExperimentId, str] = field(default_factory=dict)
    """Versions of objects with which there is nothing more to do."""
    best: dict[ExperimentId, ShownTrial] = field(default_factory=dict)
    pending: dict[AttemptKey, float] = field(default_factory=dict)
    """Since when trials are known that are not shown yet."""
    began: float = field(default_factory=time.monotonic)

    async def run(self) -> None:
        """Look at all objects of the shard, again and again."""
        while True:
            seen: set[ExperimentId] = set()
            things = list(self.experiments.all())
            random.shuffle(things)  # while there is little room for what can wait, each has its turn
            for obj in things:
                metadata = obj["metadata"]
                if shard_of(metadata["namespace"], metadata["name"], self.shards) == self.holding.shard:
                    number = ExperimentId(UUID(metadata["uid"]))
                    seen.add(number)
                    await self._look_at(obj, number)
            for known in (self.asked, self.shown, self.settled, self.best):
                for number in known.keys() - seen:
                    known.pop(number)
            self.pending = {key: since for key, since in self.pending.items() if self.holding.live(key)}
            await asyncio.sleep(ROUND_SECONDS)

    async def _look_at(self, obj: Object, number: ExperimentId) -> None:
        version = obj["metadata"]["resourceVersion"]
        if self.settled.get(number) == version:
            return
        try:
            if await self._reconcile(obj, number):
                self.settled[number] = version
        except (ConflictError, ThrottledError):  # the next round sees what it is by then
            return
        except ApiError as error:
            _log.warning("experiment %s: %s", obj["metadata"]["name"], error)

    async def _reconcile(self, obj: Object, number: ExperimentId) -> bool:
        """One step towards what should be; True if nothing is left to do until the object changes."""
        found = self.holding.experiments.get(number)
        if found is None and (stored := await self.ledger.get(number)) is not None:
            found = stored[0]
        if obj["metadata"].get("deletionTimestamp"):
            return await self._finalize(obj, number, found)
        if FINALIZER not in (obj["metadata"].get("finalizers") or ()):
            await self.experiments.hold(obj)
            return False
        if found is None:
            return await self._submit(obj, number)
        conditions = await self._edit(obj, found)
        shown = await self._show(obj, found, conditions)
        alike = await self._show_trials(obj, found, self.experiments.shown(number))
        return found.done and shown and alike

    async def _finalize(self, obj: Object, number: ExperimentId, found: Experiment | None) -> bool:
        """Delete the experiment first, then let its object go."""
        if FINALIZER not in (obj["metadata"].get("finalizers") or ()):
            return True
        if found is not None:
            if not found.progress.deleting:
                await self._ask(number, "delete", DeletionRequested())
            return False
        refused_before = (obj.get("status") or {}).get("state") == REFUSED
        last = max(self.began, self.asked.get(number, 0.0))  # a submission may be on its way
        if refused_before or await self.ledger.was_deleted(number) or time.monotonic() - last > ASK_AGAIN_SECONDS:
            await self.experiments.release(obj)
        return False

    async def _submit(self, obj: Object, number: ExperimentId) -> bool:
        try:
            document = _document(obj)
        except DocumentError as error:
            return await self._refuse(obj, "InvalidSpec", str(error))
        try:
            await examine(self.ledger, self.check, document.namespace, document.spec)
            await require_free_name(self.ledger, number, document.namespace, document.name)
        except InvalidSpecError as error:
            return await self._refuse(obj, "InvalidSpec", "\n".join(error.problems))
        except UnknownEarlierError as error:
            await self._refuse(obj, "InvalidSpec", str(error))
            return False
        except WasDeletedError:
            return await self._refuse(obj, "ExperimentDeleted", "It was deleted; delete this object, too")
        except NameTakenError:
            words = "there is another experiment of this name, which is no object here: trialstream delete NAME"
            await self._refuse(obj, "NameTaken", words)
            return False
        submitted = ExperimentSubmitted(
            name=document.name,
            namespace=document.namespace,
            spec=document.spec,
            seed=document.spec.seed if document.spec.seed is not None else number.int % 2**32,
            origin=f"{obj['apiVersion']}/{obj['kind']}",
        )
        await self._ask(number, "submit", submitted)
        return False

    async def _refuse(self, obj: Object, reason: str, message: str) -> bool:
        status = refused_status(obj, reason, message, now())
        return await self._write(obj, {**status, "observedGeneration": obj["metadata"].get("generation", 0)})

    async def _ask(self, number: ExperimentId, part: str, signal: Signal) -> None:
        """Tell the owner, which is this very process; again if nothing came of it."""
        if time.monotonic() - self.asked.get(number, -ASK_AGAIN_SECONDS) < ASK_AGAIN_SECONDS:
            return
        self.asked[number] = time.monotonic()
        letter = Envelope(consequence(number, part), None, number, now(), signal)
        await send(self.bus, topics.SIGNALS, self.holding.shard, [letter])

    async def _edit(self, obj: Object, known: Experiment) -> list[dict[str, Any]]:
        """Ask for what was changed in the object since we last looked; the conditions, should that be refused."""
        generation = obj["metadata"].get("generation", 0)
        before: list[dict[str, Any]] = (obj.get("status") or {}).get("conditions") or []
        if generation == (obj.get("status") or {}).get("observedGeneration"):
            return before
        try:
            wanted = _document(obj).spec
        except DocumentError as error:
            return with_condition(obj, now(), "EditRefused", True, "InvalidSpec", str(error))
        if refusal := _refusal(known, wanted):
            return with_condition(obj, now(), "EditRefused", True, "NotEditable", refusal)
        edited = EditRequested(
            parallel_trial_count=wanted.parallel,
            max_trial_count=wanted.max_trial_count,
            max_failed_trial_count=wanted.max_failed_trial_count,
        )
        if any(getattr(known.spec, name) != value for name, value in edited.model_dump(exclude={"type"}).items()):
            self.asked.pop(known.identity.id, None)
            await self._ask(known.identity.id, f"edit/{generation}", edited)
        if any(one.get("type") == "EditRefused" for one in before):
            return with_condition(obj, now(), "EditRefused", False, "Edited", "The last edit was taken")
        return before

    async def _show(self, obj: Object, known: Experiment, conditions: list[dict[str, Any]]) -> bool:
        """True if the object shows what is known."""
        generation = obj["metadata"].get("generation", 0)
        with_edits = {**obj, "status": {**(obj.get("status") or {}), "conditions": conditions}}
        status = status_of(with_edits, known, await self._best(known), now())
        return await self._write(obj, {**status, "observedGeneration": generation})

    async def _write(self, obj: Object, status: dict[str, Any]) -> bool:
        """Show what has changed; counters alone not too often."""
        before = obj.get("status") or {}
        changed = {name for name, value in status.items() if before.get(name) != value}
        if not changed:
            return True
        number = ExperimentId(UUID(obj["metadata"]["uid"]))
        urgent = changed & {"state", "conditions", "observedGeneration"}
        if urgent or time.monotonic() - self.shown.get(number, 0.0) > self._show_seconds():
            await self.experiments.show(obj, status, priority=Priority.URGENT if urgent else Priority.BACKGROUND)
            self.shown[number] = time.monotonic()
            if "conditions" in changed:
                await self._tell(obj, before.get("conditions") or [], status["conditions"])
        return False

    def _show_seconds(self) -> float:
        """Longer if there are many experiments: all shards together write MOST_SHOWN a second, if they are alike."""
        return max(SHOW_SECONDS, len(self.holding.experiments) * self.shards / MOST_SHOWN)

    async def _tell(self, obj: Object, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
        told = {(one["type"], one["status"], one.get("reason")) for one in before}
        for one in after:
            if one["status"] == "True" and (one["type"], one["status"], one.get("reason")) not in told:
                bad = one["type"] in ("Failed", "EditRefused", "TrialsWaiting")
                await self.experiments.tell(obj, "Warning" if bad else "Normal", one["reason"], one["message"], now())

    async def _best(self, known: Experiment) -> ShownTrial | None:
        best, number = known.progress.best, known.identity.id
        if best is None:
            return None
        if number not in self.best or self.best[number].number != best.trial:
            row = await self.queries.trial(number, best.trial)
            if row is None:
                return None
            self.best[number] = ShownTrial(best.trial, row.assignment, row.observation)
        return self.best[number]

    async def _show_trials(self, obj: Object, known: Experiment, shown: Mapping[TrialNumber, Object]) -> bool:
        """True if exactly the live trials and the best one are shown, as they are."""
        best = await self._best(known)
        wanted = {} if best is None else {best.number: _best_status(known)}
        assignments = {} if best is None else {best.number: best.assignment}
        for number, trial in known.progress.live.items():
            assignment = self.holding.assignments.get((known.identity.id, number))
            if assignment is not None and (number in shown or self._worth_showing(known, number, trial)):
                wanted[number], assignments[number] = live_status(trial), assignment
        gone = [number for number in shown if number not in wanted]
        for number in gone:
            await self.experiments.hide_trial(shown[number])
        changed = [n for n, status in wanted.items() if n not in shown or shown[n].get("status") != status]
        for number in changed:
            trial_object = trial_of(obj, known, number, assignments[number], wanted[number])
            await self.experiments.show_trial(trial_object, shown.get(number))
        return not changed and not gone

    def _worth_showing(self, known: Experiment, number: TrialNumber, trial: LiveTrial) -> bool:
        """One that will run in a moment is shown when it runs: that is one write less."""
        key = AttemptKey(known.identity.id, number, trial.attempt)
        since = self.pending.setdefault(key, time.monotonic())
        return trial.state is TrialState.RUNNING or bool(trial.waiting) or time.monotonic() - since > PENDING_SECONDS


def _best_status(known: Experiment) -> dict[str, Any]:
    assert known.progress.best is not None
    return {"state": TrialState.SUCCEEDED.value, "value": written(known.progress.best.value)}


def _document(obj: Object) -> ExperimentDocument:
    """Raises DocumentError."""
    return loaded({name: obj.get(name) for name in ("apiVersion", "kind", "metadata", "spec")}, {})


def _refusal(known: Experiment, wanted: ExperimentSpec) -> str:
    """Why an edit cannot be taken, in Katib's sense; nothing if it can."""
    places = [place for place, _, _ in differences(known.spec, wanted)]
    fixed = [place for place in places if place not in EDITABLE]
    if fixed:
        return f"{', '.join(fixed)} may not change; editable are {', '.join(EDITABLE)}"
    verdict = known.progress.verdict
    spent = verdict is not None and verdict.reason is Reason.MAX_TRIALS_REACHED
    if known.done and places and not (spent and wanted.resume_policy is not ResumePolicy.NEVER):
        return (
            "the experiment is over; only one that ended because its trials were spent can go on, "
            "with spec.resumePolicy LongRunning or FromVolume"
        )
    return ""
