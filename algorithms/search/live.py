"""The live searches of one process: caches of their journals, the least recently asked is forgotten first."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from algorithms.search.journal import Asked, Told, restore
from algorithms.search.port import Search
from events.spec.experiment import ExperimentSpec
from events.spec.space import Assignment

MOST = 500
"""Searches that one process keeps at most; 0.1 to 5 MB each."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a search is a function of, beside its journal."""

    spec: ExperimentSpec
    seed: int


@dataclass(frozen=True, slots=True)
class Question:
    """Be told `news`, then suggest `count`. With an origin the search is first made from it and from its journal."""

    search: str
    """The name of one life of a search: whoever rebuilds it gives it another."""
    number: int
    """How many questions this life has answered: one that has heard less or more cannot answer this one."""
    news: tuple[Told, ...]
    count: int
    origin: Origin | None = None
    forget: tuple[str, ...] = ()
    """Searches that nobody will ask again."""


@dataclass(frozen=True, slots=True)
class Answer:
    assignments: list[Assignment]
    exhausted: bool


@dataclass(slots=True)
class _Live:
    search: Search
    answered: int


class Searches:
    """Whatever is forgotten can be made again from its journal, so anything may be forgotten at any time."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._live: OrderedDict[str, _Live] = OrderedDict()

    def __len__(self) -> int:
        return len(self._live)

    def answer(
        self, question: Question, journal: Iterable[Asked | Told] = (), step: Callable[[], object] = lambda: None
    ) -> Answer | None:
        """None if the search is not here in the state that is asked for; `journal` counts with an origin only.

        `step` is called when a piece of the work is done. Raises what the algorithm raises; then the search is gone.
        """
        for name in question.forget:
            self._live.pop(name, None)
        live = self._live.pop(question.search, None)
        if question.origin is not None:
            live = _Live(restore(question.origin.spec, question.origin.seed, journal, step), question.number)
        if live is None or live.answered != question.number:
            return None
        for told in question.news:
            live.search.tell(told.trial, told.outcome)
            step()
        answer = Answer(live.search.ask(question.count), live.search.exhausted)
        live.answered += 1
        self._live[question.search] = live
        while len(self._live) > self._most:
            self.forget_oldest()
        return answer

    def forget_oldest(self) -> None:
        """Forget the search that was not asked for the longest time."""
        self._live.popitem(last=False)
