"""The port that every search keeps."""

from typing import Protocol

from algorithms.search.outcome import Outcome
from events.spec.space import Assignment


class Search(Protocol):
    """Suggests points, and is told what came of them. Not thread-safe.

    Every search promises (`tests/contracts/test_search.py`, `algorithms/conformance/promises.py`):

    * Suggestions are a function of spec, seed and the order of the calls; `ask(n)` equals n times
      `ask(1)`.
    * The n-th suggestion that was ever returned, counted from 1, is trial n.
    * Each is in the space and allowed by its constraints, and none is made twice while others are
      left.
    """

    def ask(self, count: int) -> list[Assignment]:
        """`count` new suggestions; fewer if nothing else is left, or if it has none until it is
        told more. Raises what a plugin or library raises.
        """
        ...

    def tell(self, trial: int, outcome: Outcome) -> None:
        """Learn the outcome of `trial`, or that it is over without one; a second outcome of a
        trial, or one of an unknown trial, is ignored.
        """
        ...

    def resume(self, assignment: Assignment) -> bool:
        """Repeat the next suggestion, recorded as `assignment`; False if it would be another one
        now.

        A search whose state does not depend on the work of suggesting leaves that out, so that a
        journal is replayed quickly.
        """
        ...

    def adopt(self, assignment: Assignment) -> None:
        """Count `assignment`, which another instance suggested, as the next suggestion."""
        ...

    def learn(self, assignment: Assignment, outcome: Outcome) -> None:
        """Learn an earlier result, not a trial of this search. To be called before the first
        suggestion.
        """
        ...

    @property
    def exhausted(self) -> bool:
        """Is every point of the space suggested?"""
        ...
