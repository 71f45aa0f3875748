"""Number the distinct assignments of a finite space, where parameters may be absent."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from algorithms.space.dimension import Choices, Dimension
from events.spec.conditions import predicate
from events.spec.space import Assignment, Condition, Parameter, Scalar
from events.spec.space import number as number_of

Places = Sequence[tuple[int, int]]
"""Ranges of places on a dimension, each from its first to before its second number; ascending,
without overlap."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Neighbouring places of a parameter at which the same parameters exist."""

    start: int
    """Its first place."""
    first: int
    """The number of its first assignment within the branch."""
    weight: int
    """How many assignments there are beneath one of its places."""
    beneath: "tuple[Branch, ...]"


class Branch:
    """A parameter with those that depend on it; `size` is the number of assignments of all of
    them.
    """

    def __init__(
        self, name: str, side: Dimension, children: Sequence[tuple["Branch", Places]] = ()
    ) -> None:
        assert side.size is not None
        self._name, self._side = name, side
        self._segments = _segments(side.size, children)
        self._starts = [segment.start for segment in self._segments]
        self._firsts = [segment.first for segment in self._segments]
        last = self._segments[-1]
        self.size = last.first + (side.size - last.start) * last.weight

    def write(self, number: int, assignment: dict[str, Scalar]) -> None:
        """Put the assignment number `number` of the branch into `assignment`."""
        segment = self._segments[bisect_right(self._firsts, number) - 1]
        step, number = divmod(number - segment.first, segment.weight)
        assignment[self._name] = self._side.at(segment.start + step)
        write(segment.beneath, number, assignment)

    def number(self, assignment: Assignment) -> int | None:
        """The inverse of `write`; None for a value that is not feasible. Parameters that do not
        exist are ignored.
        """
        place = self._side.index(assignment[self._name]) if self._name in assignment else None
        if place is None:
            return None
        segment = self._segments[bisect_right(self._starts, place) - 1]
        beneath = number(segment.beneath, assignment)
        return (
            None
            if beneath is None
            else segment.first + (place - segment.start) * segment.weight + beneath
        )


def size(branches: Iterable[Branch]) -> int:
    """The assignments of branches side by side."""
    return math.prod(branch.size for branch in branches)


def write(branches: Iterable[Branch], number: int, assignment: dict[str, Scalar]) -> None:
    """Put assignment number `number` of branches side by side into `assignment`."""
    for branch in branches:
        number, own = divmod(number, branch.size)
        branch.write(own, assignment)


def number(branches: Iterable[Branch], assignment: Assignment) -> int | None:
    """The inverse of `write`; None for a value that is not feasible."""
    total, weight = 0, 1
    for branch in branches:
        own = branch.number(assignment)
        if own is None:
            return None
        total, weight = total + weight * own, weight * branch.size
    return total


def places(side: Dimension, parent: Parameter, condition: Condition) -> Places:
    """Where on the dimension of `parent`, which has a size, `condition` is met."""
    assert side.size is not None
    if isinstance(side, Choices):
        meets = predicate(condition, parent)
        return [(place, place + 1) for place in range(side.size) if meets(side.at(place))]
    if condition.range is not None:
        low, high = condition.range
        start = _first(side.size, lambda place: number_of(side.at(place)) >= low)
        end = _first(side.size, lambda place: number_of(side.at(place)) > high)
        return [(start, end)] if start < end else []
    wanted = condition.in_ if condition.in_ is not None else (condition.equals,)
    found = {side.index(number_of(value)) for value in wanted if value is not None}
    return [(place, place + 1) for place in sorted(place for place in found if place is not None)]


def _first(places: int, reached: Callable[[int], bool]) -> int:
    """The first place from which on `reached` holds; `bisect` cannot take numbers of this size."""
    low, high = 0, places
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle + 1, high)
    return low


def _segments(places: int, children: Sequence[tuple[Branch, Places]]) -> list[Segment]:
    """Cut the places wherever a child begins to exist, or ends."""
    cuts = sorted(
        {0, *(edge for _, runs in children for run in runs for edge in run if edge < places)}
    )
    beneath: list[list[Branch]] = [[] for _ in cuts]
    for child, runs in children:
        for start, end in runs:
            for index in range(bisect_right(cuts, start) - 1, bisect_right(cuts, end - 1)):
                beneath[index].append(child)
    segments: list[Segment] = []
    first = 0
    for start, end, branches in zip(cuts, [*cuts[1:], places], beneath, strict=True):
        segments.append(Segment(start, first, weight := size(branches), tuple(branches)))
        first += (end - start) * weight
    return segments
