"""Requests for suggestions → suggestions, asked of a search that lives in a worker and is a cache
of its journal."""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from algorithms.search import algorithm_of
from algorithms.search.journal import Asked, Told
from algorithms.search.live import Origin, Question
from algorithms.search.outcome import FAILED, WITHDRAWN, Outcome
from controller.core.best import complete
from controller.core.evolve import OWN_FAULT
from controller.core.experiment import Experiment, Request
from controller.core.recorded import Recorded
from controller.store.holding import Holding
from controller.store.journal import Conclusion, Journal, Journals
from controller.suggestion.pool import Pool, SearchFailedError, Suggestions
from controller.telemetry.catalogue import SUGGESTION, SUGGESTION_FAILURES, SUGGESTIONS
from events import topics
from events.bus import Bus
from events.clock import now
from events.envelope import Envelope, send
from events.facts import (
    Cause,
    ExperimentConcluded,
    SuggestionsRequested,
    TrialConcluded,
    TrialProposed,
    TrialState,
)
from events.ids import ExperimentId, TrialNumber, consequence
from events.signals import SuggestionsMade
from events.spec.experiment import ExperimentSpec
from events.spec.space import Assignment

_FLOW = "propose"


@dataclass(slots=True)
class SearchSession:
    """What a live search has suggested and been told, and what it has not been told yet."""

    asked: int
    told: int
    version: int
    """Facts up to this one were in the journal that it was made from."""
    name: str = field(default_factory=lambda: uuid4().hex)
    answered: int = 0
    untold: list[Conclusion] = field(default_factory=list)
    last_answer: dict[TrialNumber, tuple[Assignment, int]] = field(default_factory=dict)
    """Its last answer: by trial, what it suggested, and how much it had been told."""

    def matches(self, fact: TrialProposed) -> bool:
        """Did it suggest this? The answer of an earlier owner may have been decided on instead."""
        return self.last_answer.get(fact.trial) == (fact.assignment, fact.told)

    def question(self, spec: ExperimentSpec, count: int) -> Question:
        news = tuple(
            told for conclusion in self.untold for told in conclusion_entries(spec, conclusion)
        )
        return Question(self.name, self.answered, news, count)

    def record_answer(self, assignments: Sequence[Assignment]) -> None:
        """Record its answer to a question that told it all that it did not know."""
        self.told += len(self.untold)
        self.untold.clear()
        self.last_answer = {
            TrialNumber(n): (one, self.told) for n, one in enumerate(assignments, self.asked + 1)
        }
        self.asked += len(assignments)
        self.answered += 1


async def propose(
    bus: Bus, journals: Journals, pool: Pool, holding: Holding, facts: "asyncio.Queue[Recorded]"
) -> None:
    """Answer every request for suggestions of the shard, open ones first; experiments do not wait
    for each other."""
    queues: dict[ExperimentId, asyncio.Queue[Recorded]] = {}
    async with asyncio.TaskGroup() as tasks:

        def start(experiment_id: ExperimentId) -> None:
            queues[experiment_id] = asyncio.Queue()
            proposer = Proposer(bus, journals, pool, holding, experiment_id)
            tasks.create_task(
                proposer.run(queues[experiment_id]), name=f"propose for {experiment_id}"
            )

        for experiment_id, experiment in holding.experiments.items():
            if experiment.progress.request is not None:
                start(experiment_id)
        while True:
            recorded = await facts.get()
            experiment_id = recorded.envelope.experiment
            if isinstance(recorded.fact, SuggestionsRequested) and experiment_id not in queues:
                start(experiment_id)
            elif experiment_id in queues:
                queues[experiment_id].put_nowait(recorded)
            if isinstance(recorded.fact, ExperimentConcluded):
                queues.pop(experiment_id, None)


@dataclass(slots=True)
class Proposer:
    """Answers the requests of one experiment, one after the other."""

    bus: Bus
    journals: Journals
    pool: Pool
    holding: Holding
    experiment_id: ExperimentId
    session: SearchSession | None = None
    waiting: bool = False
    """Had the search no suggestion for the open request, for now?"""

    async def run(self, facts: "asyncio.Queue[Recorded]") -> None:
        """Answer the open request, and those that come, until the experiment is concluded."""
        try:
            await self._isolate(self._answer())
            while not isinstance((recorded := await facts.get()).fact, ExperimentConcluded):
                await self._isolate(self._handle(recorded))
        finally:
            self._forget()

    async def _isolate(self, work: Awaitable[None]) -> None:
        """Do this; if it fails, begin anew with the open request after the quarantine."""
        quarantine, done = self.holding.quarantine, False
        while not done:
            with quarantine.isolating(self.experiment_id, _FLOW):
                await work
                done = True
            if not done:
                self._forget()
                work = self._answer()

    async def _handle(self, recorded: Recorded) -> None:
        match recorded.fact:
            case SuggestionsRequested():
                await self._answer()
            case TrialProposed() as fact if (
                self.session is not None and recorded.seq > self.session.version
            ):
                if not self.session.matches(fact):
                    self._forget()
            case TrialConcluded() as fact if (
                self.session is not None and recorded.seq > self.session.version
            ):
                self.session.untold.append(Conclusion.of(fact))
                if self.waiting:
                    await self._answer()
            case _:
                pass

    async def _answer(self) -> None:
        await self.holding.quarantine.released(self.experiment_id)
        experiment = self.holding.experiments.get(self.experiment_id)
        request = experiment.progress.request if experiment else None
        if experiment is None or request is None:
            return
        made = await self._make_suggestions(experiment, request)
        self.waiting = not (made.assignments or made.exhausted or made.error)
        signal_id = consequence(self.experiment_id, f"{made.type}/{request.number}")
        answer = Envelope(signal_id, None, self.experiment_id, now(), made)
        await send(self.bus, topics.SIGNALS, self.holding.shard, [answer])

    async def _make_suggestions(self, experiment: Experiment, request: Request) -> SuggestionsMade:
        try:
            with SUGGESTION.labels(algorithm_of(experiment.spec)).time():
                suggested = await self._ask_search(experiment, request.count)
            SUGGESTIONS.inc(len(suggested.assignments))
        except (
            SearchFailedError
        ) as error:  # an algorithm's own failure ends the experiment, not the controller
            self._forget()
            SUGGESTION_FAILURES.inc()
            return SuggestionsMade(request=request.number, error=f"the search failed: {error}")
        assert self.session is not None
        return SuggestionsMade(
            request=request.number,
            assignments=tuple(suggested.assignments),
            told=self.session.told,
            exhausted=suggested.exhausted,
        )

    async def _ask_search(self, experiment: Experiment, count: int) -> Suggestions:
        """The suggestions; the journal is read if the search is not live, or no worker has it."""
        journal: Journal | None = None
        if self.session is None or self.session.asked != experiment.progress.proposed:
            self._forget()
            journal = await self.journals.read(self.experiment_id)
            self.session = SearchSession(
                len(journal.suggestions), len(journal.conclusions), journal.version
            )
        session = self.session

        async def recall() -> tuple[Origin, Iterator[Asked | Told]]:
            known = journal or await self.journals.read(self.experiment_id)
            return origin(experiment), journal_entries(
                experiment.spec, known.until(session.asked, session.told)
            )

        question = session.question(experiment.spec, count)
        suggested = await self.pool.ask(question, experiment.spec, recall)
        session.record_answer(suggested.assignments)
        return suggested

    def _forget(self) -> None:
        if self.session is not None:
            self.pool.forget(self.session.name)
        self.session = None


def origin(experiment: Experiment) -> Origin:
    return Origin(experiment.spec, experiment.identity.seed)


def conclusion_entries(spec: ExperimentSpec, conclusion: Conclusion) -> Iterator[Told]:
    """What the search is told of a conclusion: losses, a failure by the trial's own fault, or that
    the trial is over without a result."""
    match conclusion.state:
        case TrialState.SUCCEEDED | TrialState.EARLY_STOPPED if complete(conclusion.values):
            cut = conclusion.state is TrialState.EARLY_STOPPED
            missed = zip(spec.outcome_bounds, conclusion.violations, strict=True)
            violations = tuple(
                bound.share(amount or 0.0) for bound, amount in missed
            )  # of a curve cut off, what is known
            yield Told(
                conclusion.trial, Outcome(spec.losses(conclusion.values), violations, partial=cut)
            )
        case TrialState.METRICS_UNAVAILABLE:
            yield Told(conclusion.trial, FAILED)
        case TrialState.FAILED if conclusion.cause in OWN_FAULT | {Cause.SPAWN_FAILURE}:
            yield Told(conclusion.trial, FAILED)
        case _:
            yield Told(conclusion.trial, WITHDRAWN)


def journal_entries(spec: ExperimentSpec, journal: Journal) -> Iterator[Asked | Told]:
    """The journal in the order in which the search was asked and told, from which it can be
    rebuilt."""
    told = 0
    for suggestion in journal.suggestions:
        for conclusion in journal.conclusions[told : suggestion.told]:
            yield from conclusion_entries(spec, conclusion)
        told = suggestion.told
        yield Asked(suggestion.assignment)
    for conclusion in journal.conclusions[told:]:
        yield from conclusion_entries(spec, conclusion)
