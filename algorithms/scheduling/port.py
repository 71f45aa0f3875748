"""The port that every scheduler keeps."""

from typing import Protocol

from algorithms.scheduling.decision import SchedulingDecision


class Scheduler(Protocol):
    """Watches the losses of running trials, and decides how each goes on. Not thread-safe.

    Every scheduler promises (`tests/contracts/test_scheduler.py`):

    * Decisions are a function of the experiment's spec and the order of the calls; there is no
      clock and no randomness, so that the same calls rebuild the same state.
    * Numbers only tell trials apart: with other numbers, the same calls yield the same decisions.
    * A report that is not later than the last one of its trial, or of a trial that has succeeded,
      is answered with `Continue` and changes nothing.
    * A trial that is forgotten is as if it had never reported.
    * A trial that is adopted is as if it had made the reports from which it was saved; nothing is
      decided about these.
    * Losses are to be minimised; which direction the objective has is not known here.
    """

    def observe(self, trial: int, step: int, loss: float) -> SchedulingDecision:
        """Decide about `trial` after its report number `step`, counted from 1, with a finite
        `loss`.
        """
        ...

    def conclude(self, trial: int, *, succeeded: bool) -> None:
        """Record that `trial` has ended; only one that succeeded may count in later decisions."""
        ...

    def save(self, trial: int) -> bytes | None:
        """What the reports of a trial that has not ended have left, to `adopt` it; None if there
        were none."""
        ...

    def adopt(self, trial: int, left: bytes) -> None:
        """Take what `save` returned in place of the reports of `trial`, before any other of it.

        Raises ValueError if it is not in this version's format.
        """
        ...

    def forget(self, trial: int) -> None:
        """Drop the reports of `trial`, of which another attempt starts from the beginning."""
        ...
