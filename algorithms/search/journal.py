"""Rebuild a search from its journal: by replay, or by adopting what another version suggested."""

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
    spec: ExperimentSpec,
    seed: int,
    journal: Iterable[Asked | Told],
    step: Callable[[], object] = lambda: None,
) -> Search:
    """The search of `spec` and `seed` after `journal`, whose entries are in the order in which they
    happened.

    If it repeats the recorded suggestions, it continues exactly as the original would have. If not,
    because another version of a library or of the spec made them, it adopts all suggestions, is
    told all outcomes, and continues in its own way. `step` is called after each entry. Raises
    LookupError if the algorithm is not installed.
    """
    entries = tuple(journal)
    search = create_search(spec, seed)
    step()
    return (
        search
        if _replayed(search, entries, step)
        else _adopted(create_search(spec, seed), entries, step)
    )


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
