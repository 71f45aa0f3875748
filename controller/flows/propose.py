"""Requests for suggestions → suggestions, asked of a search that is a cache of its journal."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from algorithms.search import algorithm_of
from algorithms.search.journal import Asked, Told, restore
from algorithms.search.outcome import FAILED, Outcome
from algorithms.search.port import Search
from controller.core.best import known
from controller.core.evolve import OWN_FAULT
from controller.core.experiment import Experiment, Request
from controller.store.holding import Holding
from controller.store.journal import Conclusion, Journal, Journals
from controller.store.ledger import Recorded
from controller.telemetry.catalogue import SUGGESTION, SUGGESTION_FAILURES, SUGGESTIONS
from events import topics
from events.bus import Bus
from events.clock import now
from events.envelope import Envelope, send
from events.facts import Cause, ExperimentConcluded, SuggestionsRequested, TrialConcluded, TrialProposed, TrialState
from events.ids import ExperimentId, TrialNumber, consequence
from events.signals import SuggestionsMade
from events.space import Assignment
from events.spec import ExperimentSpec


@dataclass(slots=True)
class Mind:
    """A live search, what it has said, and what it has still to be told."""

    search: Search
    asked: int
    told: int
    version: int
    """Facts up to this one were in the journal that it was rebuilt from."""
    news: list[Conclusion] = field(default_factory=list)
    said: dict[TrialNumber, tuple[Assignment, int]] = field(default_factory=dict)
    """Its last answer: by trial, what it suggested, and how much it had been told."""

    def agrees(self, fact: TrialProposed) -> bool:
        """Is this what it said? An answer of the owner before may have been decided on in the place of its own."""
        return self.said.get(fact.trial) == (fact.assignment, fact.told)


async def propose(bus: Bus, journals: Journals, holding: Holding, facts: "asyncio.Queue[Recorded]") -> None:
    """Answer every request of the shard, the open ones of the owner before first; no experiment waits for another."""
    queues: dict[ExperimentId, asyncio.Queue[Recorded]] = {}
    async with asyncio.TaskGroup() as tasks:

        def attend(number: ExperimentId) -> None:
            queues[number] = asyncio.Queue()
            tasks.create_task(Proposer(bus, journals, holding, number).attend(queues[number]))

        for number, experiment in holding.experiments.items():
            if experiment.progress.request is not None:
                attend(number)
        while True:
            recorded = await facts.get()
            number = recorded.envelope.experiment
            if isinstance(recorded.fact, SuggestionsRequested) and number not in queues:
                attend(number)
            elif number in queues:
                queues[number].put_nowait(recorded)
            if isinstance(recorded.fact, ExperimentConcluded):
                queues.pop(number, None)


@dataclass(slots=True)
class Proposer:
    """Answers the requests of one experiment, one after the other."""

    bus: Bus
    journals: Journals
    holding: Holding
    number: ExperimentId
    mind: Mind | None = None

    async def attend(self, facts: "asyncio.Queue[Recorded]") -> None:
        """Answer the open request, and those that come, until the experiment is concluded."""
        await self._answer()
        while True:
            recorded = await facts.get()
            match recorded.fact:
                case SuggestionsRequested():
                    await self._answer()
                case TrialProposed() as fact if self.mind is not None and recorded.seq > self.mind.version:
                    self.mind = self.mind if self.mind.agrees(fact) else None
                case TrialConcluded() as fact if self.mind is not None and recorded.seq > self.mind.version:
                    self.mind.news.append(Conclusion.of(fact))
                case ExperimentConcluded():
                    return
                case _:
                    pass

    async def _answer(self) -> None:
        experiment = self.holding.experiments.get(self.number)
        request = experiment.progress.request if experiment else None
        if experiment is None or request is None:
            return
        made = await self._made(experiment, request)
        if made.assignments or made.exhausted or made.error:
            answer = Envelope(consequence(self.number, f"{made.type}/{request.number}"), None, self.number, now(), made)
            await send(self.bus, topics.SIGNALS, self.holding.shard, [answer])

    async def _made(self, experiment: Experiment, request: Request) -> SuggestionsMade:
        mind = self.mind
        if mind is None or mind.asked != experiment.progress.proposed:
            journal = await self.journals.read(self.number)
            mind = self.mind = await asyncio.to_thread(recall, experiment, journal)
        try:
            with SUGGESTION.labels(algorithm_of(experiment.spec)).time():
                assignments = await asyncio.to_thread(_ask, mind, experiment.spec, request.count)
            SUGGESTIONS.inc(len(assignments))
        except Exception as error:  # an algorithm's own failure ends the experiment, not the controller
            self.mind = None
            SUGGESTION_FAILURES.inc()
            return SuggestionsMade(request=request.number, error=f"the search failed: {type(error).__name__}: {error}")
        return SuggestionsMade(
            request=request.number, assignments=tuple(assignments), told=mind.told, exhausted=mind.search.exhausted
        )


def _ask(mind: Mind, spec: ExperimentSpec, count: int) -> list[Assignment]:
    news, mind.news = mind.news, []
    for conclusion in news:
        _tell(mind.search, spec, conclusion)
    mind.told += len(news)
    assignments = mind.search.ask(count)
    mind.said = {TrialNumber(n): (one, mind.told) for n, one in enumerate(assignments, mind.asked + 1)}
    mind.asked += len(assignments)
    return assignments


def _tell(search: Search, spec: ExperimentSpec, conclusion: Conclusion) -> None:
    for entry in lesson(spec, conclusion):
        search.tell(entry.trial, entry.outcome)


def lesson(spec: ExperimentSpec, conclusion: Conclusion) -> Iterator[Told]:
    """What a conclusion teaches: losses, a failure by the trial's own fault, or nothing."""
    match conclusion.state:
        case TrialState.SUCCEEDED | TrialState.EARLY_STOPPED if known(conclusion.values):
            cut = conclusion.state is TrialState.EARLY_STOPPED
            missed = zip(spec.bounds, conclusion.violations, strict=True)
            violations = tuple(
                bound.share(amount or 0.0) for bound, amount in missed
            )  # of a curve cut off, what is known
            yield Told(conclusion.trial, Outcome(spec.losses(conclusion.values), violations, partial=cut))
        case TrialState.METRICS_UNAVAILABLE:
            yield Told(conclusion.trial, FAILED)
        case TrialState.FAILED if conclusion.cause in OWN_FAULT | {Cause.SPAWN_FAILURE}:
            yield Told(conclusion.trial, FAILED)
        case _:
            pass


def recall(experiment: Experiment, journal: Journal) -> Mind:
    """Rebuild the search from its journal: its next suggestion is what it would have been."""
    search = restore(experiment.spec, experiment.identity.seed, _entries(experiment.spec, journal))
    return Mind(search, len(journal.suggestions), len(journal.conclusions), journal.version)


def _entries(spec: ExperimentSpec, journal: Journal) -> Iterator[Asked | Told]:
    told = 0
    for suggestion in journal.suggestions:
        for conclusion in journal.conclusions[told : suggestion.told]:
            yield from lesson(spec, conclusion)
        told = suggestion.told
        yield Asked(suggestion.assignment)
    for conclusion in journal.conclusions[told:]:
        yield from lesson(spec, conclusion)
