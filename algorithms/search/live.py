"""The searches that one process keeps in memory, as caches of their journals."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from algorithms.search.journal import Asked, Told, restore
from algorithms.search.port import Search
from events.spec.experiment import ExperimentSpec
from events.spec.space import Assignment

MOST = 500
"""How many searches one process keeps at most; each takes 0.1 to 5 MB."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What, beside its journal, a search is made from."""

    spec: ExperimentSpec
    seed: int


@dataclass(frozen=True, slots=True)
class Question:
    """A request to a search: take in `news`, then make `count` suggestions.

    With an `origin`, the search is first rebuilt from that and from its journal.
    """

    search: str
    """The name of this instance of the search; each time that it is rebuilt it has another."""
    answered: int
    """How many questions the instance has answered before this one; another instance cannot answer
    it."""
    news: tuple[Told, ...]
    count: int
    origin: Origin | None = None
    forget: tuple[str, ...] = ()
    """Names of searches that will not be asked again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The new suggestions, and whether the search has none left."""

    assignments: list[Assignment]
    exhausted: bool


@dataclass(slots=True)
class _Live:
    search: Search
    answered: int


class Searches:
    """Live searches by name; the one that was not asked for the longest time is forgotten first.

    Each can be rebuilt from its journal, so any may be forgotten at any time.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._live: OrderedDict[str, _Live] = OrderedDict()

    def __len__(self) -> int:
        return len(self._live)

    def answer(
        self,
        question: Question,
        journal: Iterable[Asked | Told] = (),
        step: Callable[[], object] = lambda: None,
    ) -> Answer | None:
        """The answer; None if the search is not here in the state that `question` names.

        `journal` is read only if the question has an origin. `step` is called after each piece of
        work. Raises what the algorithm raises, and forgets the search then.
        """
        for name in question.forget:
            self._live.pop(name, None)
        live = self._live.pop(question.search, None)
        if question.origin is not None:
            live = _Live(
                restore(question.origin.spec, question.origin.seed, journal, step),
                question.answered,
            )
        if live is None or live.answered != question.answered:
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
