"""The story of one trial: its facts as sentences."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from controller.core.best import best_trials
from controller.core.conclusions import missing_metrics
from controller.core.evolve import OWN_FAULT
from controller.core.experiment import Experiment
from controller.core.recorded import Recorded
from controller.core.report_ways import way_to_report
from controller.store.queries import Queries
from controller.store.queries.experiments import ExperimentSnapshot
from controller.store.queries.trials import TrialRow
from controller.views import words
from controller.views.diagnosis import diagnosis_words
from controller.views.summary import in_order
from events.facts import (
    AttemptEnded,
    Cause,
    ObservationRecorded,
    TrialConcluded,
    TrialPaused,
    TrialProposed,
    TrialScheduled,
    TrialStarted,
    TrialState,
    TrialStopRequested,
    TrialWaiting,
)
from events.ids import TrialNumber, trial_name
from events.spec.objective import Observation, Summary

MOST_ATTEMPTS = 20
"""Attempts, the last ones, whose reports are looked up."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, and the time of what it says."""

    at: datetime
    text: str


@dataclass(slots=True)
class Story:
    """Makes sentences of facts, and keeps what later sentences refer to."""

    experiment: Experiment
    reported: Mapping[int, Observation]
    """What each attempt has reported."""
    strides: Mapping[tuple[int, str], int] = field(default_factory=dict)
    """By attempt and metric: of how many points one is kept, where not all are."""
    last_times: Mapping[int, datetime] = field(default_factory=dict)
    """By attempt: when the last of its values came."""
    scheduled: datetime | None = None
    started: datetime | None = None
    ended: AttemptEnded | None = None
    sentences: list[Sentence] = field(default_factory=list)

    def tell(self, facts: Sequence[Recorded], now: datetime) -> list[Sentence]:
        """The sentences for the facts in order, and for the state of a live trial `now`."""
        for one in facts:
            for text in self._of(one):
                self.sentences.append(Sentence(one.envelope.at, text))
        if facts and not isinstance(facts[-1].fact, TrialConcluded):
            self.sentences += [Sentence(now, text) for text in self._so_far(now)]
        return self.sentences

    def _of(self, one: Recorded) -> Iterator[str]:
        at = one.envelope.at
        match one.fact:
            case TrialProposed() as fact:
                yield from self._proposed(fact)
            case TrialScheduled() as fact:
                yield from self._scheduled(fact, at)
            case TrialWaiting() as fact:
                yield f"It had to wait ({fact.reason}){_more(fact.message)}."
            case TrialStarted():
                self.started = at
                yield f"It started, {self._since(self.scheduled, at)} after it was scheduled."
            case TrialStopRequested() as fact:
                yield (
                    "It was asked to stop, because "
                    f"{words.STOPS[fact.reason]}{_more(fact.message)}."
                )
            case AttemptEnded() as fact:
                self.ended = fact
                yield f"Attempt {fact.attempt} was over{self._ran(at)}: {words.ended(fact)}."
                yield from self._reports(fact.attempt, self.reported.get(fact.attempt, {}))
            case ObservationRecorded() as fact:
                yield f"All that attempt {fact.attempt} reported was in."
            case TrialPaused():
                yield "It was paused with the experiment, and starts anew when that is resumed."
            case TrialConcluded() as fact:
                yield from self._concluded(fact, at)

    def _proposed(self, fact: TrialProposed) -> Iterator[str]:
        name = trial_name(self.experiment.identity.name, fact.trial)
        yield (
            f"{name} was suggested with "
            f"{words.assignment(in_order(self.experiment, fact.assignment))}."
        )
        if fact.told:
            yield (
                "When the search chose that, it knew the results of "
                f"{words.count(fact.told, 'trial')}."
            )
        else:
            yield "The search chose that without knowing any result."

    def _scheduled(self, fact: TrialScheduled, at: datetime) -> Iterator[str]:
        if fact.attempt > 1:
            yield f"It was tried again (attempt {fact.attempt}), because {self._why_again()}."
        else:
            yield "It was scheduled."
        self.scheduled, self.started, self.ended = at, None, None

    def _why_again(self) -> str:
        if self.ended is None:
            return "the experiment went on"
        cause = words.CAUSES[self.ended.cause]
        if self.ended.cause in OWN_FAULT:
            return f"{cause}, and spec.retry allows another attempt"
        return f"{cause}, which is not the trial's fault"

    def _concluded(self, fact: TrialConcluded, at: datetime) -> Iterator[str]:
        if self.ended is None or fact.cause is not self.ended.cause:
            yield f"Attempt {fact.attempt} was over{self._ran(at)}: {words.ended(fact)}."
            yield from self._reports(fact.attempt, fact.observation)
        elif fact.message and fact.message != self.ended.message:
            yield f"What was found then: {words.clean(fact.message)}."
        known = zip(self.experiment.spec.all_objectives, fact.values, strict=False)
        shown = [
            f"{words.clean(target.metric)} = {words.number(x)}"
            for target, x in known
            if x is not None
        ]
        value = f" with {' and '.join(shown)}" if shown else ""
        yield f"It was concluded as {fact.state}{value}: {_meaning(fact.state)}."
        for metric, summary in fact.observation.items():
            if summary.text is not None:
                yield f"Its text of {words.clean(metric)}: {words.clean(summary.text)}"
        if fact.diagnosis is not None:
            yield from diagnosis_words(fact.diagnosis)
        if missed := words.missed(self.experiment.spec, fact.violations):
            yield f"It misses {missed}, so it cannot be the best; the search was told by how much."

    def _reports(self, attempt: int, observation: Observation) -> Iterator[str]:
        for metric, summary in observation.items():
            if summary.count:
                yield self._report(metric, summary)
            if stride := self.strides.get((attempt, metric)):
                yield (f"Of these values one in {stride:,} is kept, and the extremes and the last.")
        if last := self.last_times.get(attempt):
            yield f"The last value came at {words.clock(last)}."

    def _report(self, metric: str, summary: Summary) -> str:
        best = self.experiment.spec.value({metric: summary}, metric)
        strategy = self.experiment.spec.strategy(metric).value
        told = f"{strategy} {words.number(best)}" if best is not None else "none of them finite"
        last = (
            f", latest {words.number(summary.latest)}"
            if summary.count > 1 and strategy != "latest"
            else ""
        )
        return (
            f"It reported {words.count(summary.count, 'value')} of {words.clean(metric)}: "
            f"{told}{last}."
        )

    def _so_far(self, now: datetime) -> Iterator[str]:
        if self.started is not None and self.ended is None:
            yield f"It has been running for {self._since(self.started, now)}."
            attempt = max(self.reported, default=0)
            yield from self._reports(attempt, self.reported.get(attempt, {}))
        elif self.ended is None and self.scheduled is not None:
            yield f"It has been waiting to start for {self._since(self.scheduled, now)}."

    def _ran(self, at: datetime) -> str:
        return (
            f" after {self._since(self.started, at)}" if self.started else ", before it had started"
        )

    def _since(self, earlier: datetime | None, at: datetime) -> str:
        return words.duration((at - earlier).total_seconds()) if earlier else "some time"


async def read_story(
    queries: Queries, snapshot: ExperimentSnapshot, row: TrialRow
) -> tuple[list[Sentence], TrialConcluded | None]:
    """The story of a trial, and its conclusion if it has one."""
    identity = snapshot.experiment.identity
    facts = await queries.facts.of_trial(
        identity.id, row.number, snapshot.experiment.progress.version
    )
    first = max(1, row.attempt - MOST_ATTEMPTS + 1)
    reported = {
        attempt: await queries.curves.reported(identity.id, row.number, attempt, snapshot.until)
        for attempt in range(first, row.attempt + 1)
    }
    thinned = await queries.curves.thinned_curves(identity.id, row.number)
    strides = {(one.attempt, one.metric): one.stride for one in thinned}
    last_times = await queries.curves.last_times(identity.id, row.number, snapshot.until)
    story = Story(snapshot.experiment, reported, strides, last_times)
    last = facts[-1].fact if facts else None
    return story.tell(facts, snapshot.now), last if isinstance(last, TrialConcluded) else None


def rank_words(experiment: Experiment, trial: TrialNumber) -> str | None:
    """Whether the trial is the best, or on the front, as far as is known; None if not."""
    if trial not in best_trials(experiment.progress):
        return None
    best = experiment.progress.best
    if best is not None and best.value is None:
        return "It is the latest trial with its text; texts have no order."
    rank = "on the Pareto front" if experiment.spec.multi_objective else "the best trial"
    return f"It is {rank} so far."


def advice(conclusion: TrialConcluded, experiment: Experiment, name: str) -> str | None:
    """What a person may do about a trial that did not succeed; `name` as the command line takes
    it."""
    logs = f"trialstream logs {name} {conclusion.trial}"
    if conclusion.state is TrialState.METRICS_UNAVAILABLE:
        metric, *_ = missing_metrics(experiment, conclusion.observation)
        way = way_to_report(metric, experiment.spec.metrics_collector_spec)
        return f"Look at what it printed with: {logs}. What this experiment reads: {way}."
    if conclusion.state is not TrialState.FAILED:
        return None
    match conclusion.cause:
        case Cause.ERROR | Cause.SIGNAL:
            return (
                f"Read its log: {logs}. If the failure passes by itself, set spec.retry.maxRetries."
            )
        case Cause.OUT_OF_MEMORY:
            return (
                "Give the trial more memory, lower parallelTrialCount, or narrow the parameters "
                "that need memory."
            )
        case Cause.SPAWN_FAILURE:
            return "Check that the program of the trial template exists here and may be executed."
        case Cause.TIMEOUT:
            return (
                "Raise trialTemplate.timeoutSeconds, or make trials shorter; early stopping may "
                "help."
            )
        case _:
            return f"The machine lost it too often. See what remains of its log: {logs}"


def _meaning(state: TrialState) -> str:
    match state:
        case TrialState.SUCCEEDED:
            return "the search was told so"
        case TrialState.EARLY_STOPPED:
            return "it cost less than a whole run, and what it reported counts"
        case TrialState.KILLED:
            return "the experiment ended first; the search learns nothing from it"
        case TrialState.METRICS_UNAVAILABLE:
            return (
                "a metric that it is judged by has no finite value, so the search was told that "
                "it failed"
            )
        case _:
            return "the search was told that it failed"


def _more(message: str) -> str:
    return f": {words.clean(message)}" if message else ""
