"""The median stopping rule: stop a trial worse than half of the others."""

from __future__ import annotations  # array is no generic at run time before Python 3.12

from array import array
from bisect import insort
from dataclasses import dataclass, field

from pydantic import Field

from algorithms.scheduling.decision import CONTINUE, SchedulingDecision, Stop
from algorithms.settings import AlgorithmSettings

EXACT = 1024
"""Each step up to this has its own median; later ones share one with their neighbours, 512 to each
doubling."""


class MedianSettings(AlgorithmSettings):
    """The settings of `medianstop`, with Katib's names."""

    min_trials_required: int = Field(
        default=3, ge=1, description="succeeded trials before any is stopped"
    )
    start_step: int = Field(
        default=4, ge=1, description="report from which on a trial may be stopped"
    )


@dataclass(slots=True)
class Course:
    """What one running trial has reported: its best loss, and its running average at each slot."""

    last: int = 0
    """The step of its last report."""
    reports: int = 0
    average: float = 0.0
    best: float = float("inf")
    averages: array[float] = field(default_factory=lambda: array("d"))


class MedianStop:
    """Golovin et al. 2017 (Google Vizier), section 3.2.2, performance measured as a loss.

    At each step from `start_step` on, a trial is stopped if its best loss so far is worse than the
    median, over the succeeded trials, of their average loss up to that step; a trial that ended
    before counts with its last average. Unlike Katib's rule of the same name it takes the median,
    not the mean, and looks at every step, not at one.

    `observe` costs O(1) amortised, `conclude` O(steps · log trials). Memory is 8 bytes per
    succeeded trial and slot.
    """

    def __init__(self, settings: MedianSettings, metric: str) -> None:
        """`metric` is the name of the objective, for the reason of a stop."""
        self._settings, self._metric = settings, metric
        self._running: dict[int, Course] = {}
        self._joined: set[int] = set()
        self._slots: list[array[float]] = []
        """For each slot, the sorted averages of all succeeded trials."""
        self._finals = array("d")
        """The sorted last averages of all succeeded trials, for slots that none of them reached."""

    def observe(self, trial: int, step: int, loss: float) -> SchedulingDecision:
        course = self._running.setdefault(trial, Course())
        if step <= course.last or trial in self._joined:
            return CONTINUE
        _extend(course, step, loss)
        if (
            step < self._settings.start_step
            or len(self._finals) < self._settings.min_trials_required
        ):
            return CONTINUE
        slot = slot_of(step)
        if course.best > _median(self._slots[slot] if slot < len(self._slots) else self._finals):
            return Stop(f"after report {step} its best {self._metric} is worse than the median")
        return CONTINUE

    def conclude(self, trial: int, *, succeeded: bool) -> None:
        course = self._running.pop(trial, None)
        if course is not None and course.reports and succeeded and trial not in self._joined:
            self._joined.add(trial)
            self._join(course)

    def forget(self, trial: int) -> None:
        self._running.pop(trial, None)

    def _join(self, course: Course) -> None:
        while len(self._slots) < len(course.averages):
            self._slots.append(array("d", self._finals))
        for slot, averages in enumerate(self._slots):
            insort(
                averages, course.averages[slot] if slot < len(course.averages) else course.average
            )
        insort(self._finals, course.average)


def slot_of(step: int) -> int:
    """The number, from 0, of the median that a step is compared with; step - 1 up to EXACT."""
    shift = max(0, (step - 1).bit_length() - EXACT.bit_length() + 1)
    return ((step - 1) >> shift) + shift * EXACT // 2


def _extend(course: Course, step: int, loss: float) -> None:
    """Add a report; slots that were skipped get the average before them."""
    before = course.average if course.reports else loss
    course.reports += 1
    course.average += (loss - course.average) / course.reports
    course.best = min(course.best, loss)
    course.last = step
    slot = slot_of(step)
    while len(course.averages) < slot:
        course.averages.append(before)
    if len(course.averages) == slot:
        course.averages.append(course.average)


def _median(ordered: array[float]) -> float:
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else ordered[middle - 1] / 2 + ordered[middle] / 2
