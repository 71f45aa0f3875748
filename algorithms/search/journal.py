"""A search is a fold over its journal: replayed it is the same again, or, from another version, adopted."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from algorithms.search.outcome import Outcome
from algorithms.search.port import Search
from algorithms.search.registry import create_search
from events.spec.experiment import ExperimentSpec
from events.spec.space import Assignment


@dataclass(frozen=True, slots=True)
class Asked:
    """The search made this suggestion; the n-th such entry is trial n."""

    assignment: Assignment


@dataclass(frozen=True, slots=True)
class Told:
    """The search was told what trial `trial` came to."""

    trial: int
    outcome: Outcome


def restore(
    spec: ExperimentSpec, seed: int, journal: Iterable[Asked | Told], step: Callable[[], object] = lambda: None
) -> Search:
    """The search after `journal`, its entries in the order in which they happened; `step` is called after each.

    If it resumes the recorded suggestions, the result goes on exactly as the original would have. If not
    (another version of a library, or of the spec, made them), it adopts all suggestions, is told all outcomes, and
    goes on in its own way.
    """
    entries = tuple(journal)
    search = create_search(spec, seed)
    step()
    return search if _replayed(search, entries, step) else _adopted(create_search(spec, seed), entries, step)


def _replayed(search: Search, entries: Sequence[Asked | Told], step: Callable[[], object]) -> bool:
    for entry in entries:
        match entry:
            case Told(trial, outcome):
                search.tell(trial, outcome)
            case Asked(assignment):
                if not search.resume(assignment):
                    return False
        step()
    return True


def _adopted(search: Search, entries: Sequence[Asked | Told], step: Callable[[], object]) -> Search:
    for entry in entries:
        match entry:
            case Told(trial, outcome):
                search.tell(trial, outcome)
            case Asked(assignment):
                search.adopt(assignment)
        step()
    return search
