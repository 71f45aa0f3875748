"""The median stopping rule: stop a trial worse than half of the others."""

from __future__ import annotations  # array is no generic at run time before Python 3.12

import struct
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


SORTED_IN = 8
"""Numbers that are sorted in one by one; more are sorted with the others at once."""
LATEST = 64
"""Succeeded trials that each ranking takes in only when it is asked; then all take them in."""
_HEAD = struct.Struct("<qqdd")


@dataclass(slots=True)
class Ranking:
    """Numbers of which the median is asked now and then: sorted in only when it is asked."""

    ordered: array[float] = field(default_factory=lambda: array("d"))
    added: array[float] = field(default_factory=lambda: array("d"))
    taken: int = 0
    """How many of the latest courses are in it."""

    def median(self) -> float:
        """Of at least one number."""
        if len(self.added) > SORTED_IN:
            self.ordered = array("d", sorted(self.ordered + self.added))
        else:
            for number in self.added:
                insort(self.ordered, number)
        del self.added[:]
        return _median(self.ordered)


@dataclass(slots=True)
class Course:
    """What one running trial has reported: its best loss, and its running average at each slot."""

    last: int = 0
    """The step of its last report."""
    reports: int = 0
    average: float = 0.0
    best: float = float("inf")
    averages: array[float] = field(default_factory=lambda: array("d"))

    def at(self, slot: int) -> float:
        """The running average there: the last one where the trial ended before."""
        return self.averages[slot] if slot < len(self.averages) else self.average

    def row(self, slots: int) -> array[float]:
        """The running averages at the first `slots` slots."""
        return self.averages + array("d", [self.average]) * (slots - len(self.averages))

    def packed(self) -> bytes:
        head = _HEAD.pack(self.last, self.reports, self.average, self.best)
        return head + self.averages.tobytes()

    @classmethod
    def unpacked(cls, packed: bytes) -> Course:
        """Raises ValueError if these bytes are no course."""
        try:
            last, reports, average, best = _HEAD.unpack_from(packed)
            return cls(last, reports, average, best, array("d", packed[_HEAD.size :]))
        except struct.error as error:
            raise ValueError(f"not a course: {error}") from error


class MedianStop:
    """Golovin et al. 2017 (Google Vizier), section 3.2.2, performance measured as a loss.

    At each step from `start_step` on, a trial is stopped if its best loss so far is worse than the
    median, over the succeeded trials, of their average loss up to that step; a trial that ended
    before counts with its last average. Unlike Katib's rule of the same name it takes the median,
    not the mean, and looks at every step, not at one.

    `conclude` costs nothing but for each 64th, and a look at a slot sorts in what came since.
    Memory is 8 bytes per succeeded trial and slot.
    """

    def __init__(self, settings: MedianSettings, metric: str) -> None:
        """`metric` is the name of the objective, for the reason of a stop."""
        self._settings, self._metric = settings, metric
        self._running: dict[int, Course] = {}
        self._joined: set[int] = set()
        self._slots: dict[int, Ranking] = {}
        """The averages of all succeeded trials at a slot, but for some of the latest. Those that
        some of the others have reached are all here, others once they are looked at."""
        self._reached = 0
        """The first slot that no succeeded trial has reached: all further ones are as it is."""
        self._latest: list[Course] = []
        self._ended = array("d")
        """The last averages of all but the latest."""

    def observe(self, trial: int, step: int, loss: float) -> SchedulingDecision:
        course = self._running.setdefault(trial, Course())
        if step <= course.last or trial in self._joined:
            return CONTINUE
        _extend(course, step, loss)
        if (
            step < self._settings.start_step
            or len(self._joined) < self._settings.min_trials_required
        ):
            return CONTINUE
        if course.best > self._others(slot_of(step)).median():
            return Stop(f"after report {step} its best {self._metric} is worse than the median")
        return CONTINUE

    def conclude(self, trial: int, *, succeeded: bool) -> None:
        course = self._running.pop(trial, None)
        if course is not None and course.reports and succeeded and trial not in self._joined:
            self._joined.add(trial)
            self._join(course)

    def save(self, trial: int) -> bytes | None:
        course = self._running.get(trial)
        return course.packed() if course is not None and course.reports else None

    def adopt(self, trial: int, left: bytes) -> None:
        self._running[trial] = Course.unpacked(left)

    def forget(self, trial: int) -> None:
        self._running.pop(trial, None)

    def _join(self, course: Course) -> None:
        self._reached = max(self._reached, len(course.averages))
        self._latest.append(course)
        if len(self._latest) >= LATEST:
            self._take_in()

    def _others(self, slot: int) -> Ranking:
        """All succeeded trials at a slot."""
        slot = min(slot, self._reached)
        ranking = self._ranking(slot)
        if ranking.taken < len(self._latest):
            ranking.added.extend(course.at(slot) for course in self._latest[ranking.taken :])
            ranking.taken = len(self._latest)
        return ranking

    def _ranking(self, slot: int) -> Ranking:
        if slot not in self._slots:
            self._slots[slot] = Ranking(added=self._ended[:])
        return self._slots[slot]

    def _take_in(self) -> None:
        """Let all rankings have the latest courses: column by column, with no loop over numbers."""
        width, table = self._reached + 1, array("d")
        for course in self._latest:
            table += course.row(width)
        for slot in range(width):
            ranking = self._ranking(slot)
            ranking.added += table[slot::width][ranking.taken :]
            ranking.taken = 0
        self._ended.extend(course.average for course in self._latest)
        self._latest.clear()


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
