"""What is known of an experiment → the status of its object, events about it, and the objects of
its trials."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from controller.cluster.kubernetes.labels import name_of_attempt
from controller.cluster.kubernetes.objects import (
    Condition,
    ExperimentObject,
    TrialObject,
    format_time,
)
from controller.cluster.kubernetes.projection import (
    Listed,
    most_listed,
    status_of,
    with_condition,
)
from controller.cluster.kubernetes.rate_limiter import Priority
from controller.cluster.kubernetes.trial_news import News, news_of_end, news_of_live
from controller.cluster.kubernetes.trial_objects import (
    ShownTrial,
    best_status,
    live_status,
    trial_of,
)
from controller.core.experiment import Experiment, LiveTrial
from controller.flows.reconcile.record import INTERVAL_SECONDS, Delay, Ports, Record, sooner
from controller.store.holding import Holding
from events.clock import now
from events.facts import TrialState
from events.ids import AttemptKey, TrialNumber, trial_name

PENDING_SECONDS = 4.0
"""A pending trial is shown after so long: most run before, and then it is one write less."""
QUARANTINED = "Quarantined"
TrialStatus = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Display:
    """Writes what has changed. `show_seconds`: how long after a write the next of counters alone
    may follow."""

    ports: Ports
    obj: ExperimentObject
    holding: Holding
    record: Record
    show_seconds: float

    async def show(self, experiment: Experiment, conditions: list[Condition]) -> Delay:
        """Make the object and those of the trials show what is known. Raises ApiError."""
        obj = self.obj.with_conditions(conditions)
        obj = obj.with_conditions(self._quarantine(obj, experiment))
        best = await self._best(experiment)
        finished = await self._finished(experiment)
        delay = await self.write(status_of(obj, experiment, best, finished, now()))
        return sooner(delay, await self._show_trials(experiment, best))

    def _quarantine(self, obj: ExperimentObject, experiment: Experiment) -> list[Condition]:
        """The conditions with Quarantined, which says what fails."""
        case = self.holding.quarantine.cases.get(experiment.identity.id)
        if case is not None:
            message = f"{case.flow} failed: {case.reason}"
            return with_condition(obj, now(), QUARANTINED, True, "OwnWorkFails", message)
        if any(one.get("type") == QUARANTINED for one in obj.conditions):
            message = "Its work goes on"
            return with_condition(obj, now(), QUARANTINED, False, "GoesOn", message)
        return obj.conditions

    async def write(self, status: dict[str, Any]) -> Delay:
        """Replace the status where it has changed; counters alone not too often."""
        status = {**status, "observedGeneration": self.obj.generation}
        before = self.obj.status
        changed = {name for name, value in status.items() if before.get(name) != value}
        if not changed:
            return None
        urgent = changed & {"state", "conditions", "observedGeneration"}
        wait = self.record.shown_at + self.show_seconds - time.monotonic()
        if wait > 0 and not urgent:
            return wait
        priority = Priority.URGENT if urgent else Priority.BACKGROUND
        status["lastReconcileTime"] = format_time(now())
        await self.ports.experiments.show(self.obj, status, priority=priority)
        self.record.shown_at = time.monotonic()
        if "conditions" in changed:
            await self._tell(status["conditions"])
        return INTERVAL_SECONDS

    async def _tell(self, after: list[Condition]) -> None:
        """Write an event about each condition that has come to hold."""
        told = {(one["type"], one["status"], one.get("reason")) for one in self.obj.conditions}
        for one in after:
            known = (one["type"], one["status"], one.get("reason")) in told
            if one["status"] == "True" and not known:
                bad = one["type"] in ("Failed", "EditRefused", "TrialsWaiting", QUARANTINED)
                news = News("Warning" if bad else "Normal", one["reason"], one["message"])
                await self.ports.experiments.tell(self.obj, news, now())

    async def _best(self, experiment: Experiment) -> ShownTrial | None:
        best = experiment.progress.best
        if best is None:
            return None
        if self.record.best is None or self.record.best.number != best.trial:
            row = await self.ports.queries.trials.get(self.obj.id, best.trial)
            if row is None:
                return None
            self.record.best = ShownTrial(best.trial, row.assignment, row.observation, row.state)
        return self.record.best

    async def _finished(self, experiment: Experiment) -> Listed:
        """The concluded trials to list."""
        finished = self.record.finished
        if not finished.complete:
            wanted = most_listed(experiment)
            earlier = await self.ports.queries.trials.latest(self.obj.id, wanted) if wanted else {}
            finished.complete_with(earlier)
        return finished.numbers

    async def _show_trials(self, experiment: Experiment, best: ShownTrial | None) -> Delay:
        """Show the live trials and the best one, and no others."""
        shown = self.ports.experiments.shown(self.obj.id)
        await self._tell_ends(experiment, shown)
        wanted, delay = self._live(experiment, shown)
        if best is not None:
            assert experiment.progress.best is not None
            value, told = experiment.progress.best.value, _conditions(shown, best.number)
            wanted[best.number] = best_status(best, value, told, now())
        gone = [number for number in shown if number not in wanted]
        for number in gone:
            await self.ports.experiments.hide_trial(shown[number])
        changed = [
            number
            for number, status in wanted.items()
            if number not in shown or shown[number].status != status
        ]
        for number in changed:
            known = self.holding.assignments.get((self.obj.id, number))
            if best is not None and best.number == number:
                known = best.assignment
            if known is None:  # it was concluded since; its fact leads to the next look
                continue
            trial = trial_of(self.obj, experiment, number, known, wanted[number])
            before = shown.get(number)
            made = await self.ports.experiments.show_trial(trial, before)
            if made is not None and number in experiment.progress.live:
                await self._tell_of_live(experiment, made, before)
        return sooner(delay, INTERVAL_SECONDS if changed or gone else None)

    async def _tell_of_live(
        self, experiment: Experiment, trial: TrialObject, before: TrialObject | None
    ) -> None:
        live = experiment.progress.live[trial.number]
        job = self._job(experiment, trial.number, live.attempt)
        known = before.status if before else {}
        news = news_of_live(job, known, trial.status, live.waiting_message)
        await self._tell_of_trial(trial, news)

    async def _tell_ends(
        self, experiment: Experiment, shown: Mapping[TrialNumber, TrialObject]
    ) -> None:
        """Write an event about each trial that was concluded and has an object still."""
        while self.record.ends:
            end = self.record.ends.popleft()
            job = self._job(experiment, end.trial, end.attempt)
            if end.trial in shown:
                await self._tell_of_trial(
                    shown[end.trial], news_of_end(job, end.state, end.message)
                )

    async def _tell_of_trial(self, trial: TrialObject, news: Iterable[News]) -> None:
        """Where there is little room, nothing is told."""
        for one in news:
            priority = Priority.BACKGROUND
            await self.ports.experiments.tell(trial, one, now(), priority=priority)

    def _job(self, experiment: Experiment, number: TrialNumber, attempt: int) -> str:
        """The name of an attempt's workload."""
        name = trial_name(experiment.identity.name, number)
        return name_of_attempt(name, AttemptKey(self.obj.id, number, attempt))

    def _live(
        self, experiment: Experiment, shown: Mapping[TrialNumber, TrialObject]
    ) -> tuple[dict[TrialNumber, TrialStatus], Delay]:
        """The statuses of the live trials to show, and when the next one is to be shown."""
        wanted: dict[TrialNumber, TrialStatus] = {}
        delay: Delay = None
        before, self.record.pending = self.record.pending, {}
        for number, trial in experiment.progress.live.items():
            if (self.obj.id, number) not in self.holding.assignments:
                continue
            key = AttemptKey(self.obj.id, number, trial.attempt)
            since = self.record.pending[key] = before.get(key, time.monotonic())
            wait = since + PENDING_SECONDS - time.monotonic()
            if number in shown or _is_notable(trial) or wait <= 0:
                wanted[number] = live_status(trial, _conditions(shown, number), now())
            else:
                delay = sooner(delay, wait)
        return wanted, delay


def _conditions(shown: Mapping[TrialNumber, TrialObject], number: TrialNumber) -> list[Condition]:
    return shown[number].conditions if number in shown else []


def _is_notable(trial: LiveTrial) -> bool:
    return trial.state is TrialState.RUNNING or bool(trial.waiting)
