"""The port that every search keeps."""

from typing import Protocol

from algorithms.search.outcome import Outcome
from events.spec.space import Assignment


class Search(Protocol):
    """Ask and tell. The n-th suggestion ever returned (from 1) is trial n; `ask(n)` equals n times `ask(1)`.

    A search is a function of spec, seed and the order of its calls; it is not thread-safe.
    """

    def ask(self, count: int) -> list[Assignment]:
        """Up to `count` suggestions, none that was made before while others are left; fewer only if exhausted."""
        ...

    def tell(self, trial: int, outcome: Outcome) -> None:
        """What `trial` came to; a second outcome of a trial is ignored."""
        ...

    def resume(self, assignment: Assignment) -> bool:
        """Make the next suggestion, recorded as `assignment`, again; False if it would be another one now.

        What can be known without the work of a suggestion is: a history is gone through quickly."""
        ...

    def adopt(self, assignment: Assignment) -> None:
        """Count as the next suggestion one that another instance made."""
        ...

    def learn(self, assignment: Assignment, outcome: Outcome) -> None:
        """A result that is no trial of this search, known before the first suggestion."""
        ...

    @property
    def exhausted(self) -> bool:
        """Is nothing left to suggest, for good?"""
        ...
