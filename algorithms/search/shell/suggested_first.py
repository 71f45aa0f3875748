"""Points that the user wants tried first, before those of any search."""

from collections.abc import Iterator, Mapping, Sequence

from algorithms.search.outcome import Outcome
from algorithms.search.port import Search
from algorithms.search.shell.novelty import MOST_DRAWS, uniform
from algorithms.space.encoding import Cube
from algorithms.space.reading import value_of
from events.spec.conditions import predicate, values_in_words
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Path, Problem
from events.spec.space import Assignment, Scalar
from events.spec.warm_start import PartialAssignment


class SuggestedFirst:
    """Suggests the given points first, then those of `search`, which adopts the given ones."""

    def __init__(self, search: Search, points: Sequence[Assignment]) -> None:
        self._search = search
        self._points = points
        self._count = 0

    def ask(self, count: int) -> list[Assignment]:
        first = list(self._points[self._count : self._count + count])
        for point in first:
            self.adopt(point)
        return [*first, *(self._search.ask(count - len(first)) if len(first) < count else [])]

    def tell(self, trial: int, outcome: Outcome) -> None:
        self._search.tell(trial, outcome)

    def resume(self, assignment: Assignment) -> bool:
        if self._count < len(self._points):
            return self.ask(1) == [assignment]
        return self._search.resume(assignment)

    def adopt(self, assignment: Assignment) -> None:
        self._search.adopt(assignment)
        self._count += 1

    def learn(self, assignment: Assignment, outcome: Outcome) -> None:
        self._search.learn(assignment, outcome)

    @property
    def exhausted(self) -> bool:
        return self._count >= len(self._points) and self._search.exhausted


def complete_points(cube: Cube, points: Sequence[PartialAssignment], seed: int) -> list[Assignment]:
    """The points with missing parameters drawn by their distributions, a function of the seed; no
    two are alike.

    A point is left out if each completion of it is among the others.
    """
    given = [_read(cube, point) for point in points]
    whole = [cube.key(values) for values in given]
    taken = {key for key in whole if key is not None}
    found: list[Assignment] = []
    for index, values in enumerate(given):
        if whole[index] is not None:
            found.append(values)
            continue
        for drawn in _drawn(cube, values, f"{seed}/suggested/{index}"):
            key = cube.key(drawn)
            if key is not None and key not in taken:
                taken.add(key)
                found.append(drawn)
                break
    return found


def suggestion_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """What is wrong with the points of a spec whose space is valid."""
    cube = Cube.of(spec)
    known = {parameter.name: parameter for parameter in cube.parameters}
    seen: list[dict[str, Scalar]] = []
    for index, point in enumerate(spec.suggested):
        place: Path = ("spec", "suggested", index)
        wrong = False
        for name, value in point.items():
            if name not in known:
                wrong = True
                yield Problem(
                    (*place, name),
                    f"is not a parameter of this space; there are: {', '.join(known)}",
                )
            elif value_of(known[name], value) is None:
                wrong = True
                yield Problem(
                    (*place, name),
                    f"{value!r} is not a value of {name!r}, {values_in_words(known[name])}",
                )
        if wrong:
            continue
        values = _read(cube, point)
        if values in seen:
            yield Problem(
                place, f"is listed twice, first as number {seen.index(values)}; remove one"
            )
        elif why := _impossible(cube, values):
            yield Problem(place, why)
        seen.append(values)


def _read(cube: Cube, point: PartialAssignment) -> dict[str, Scalar]:
    """The given values of a valid point, as this space writes them, in its order."""
    read = {
        one.name: value_of(one, point[one.name]) for one in cube.parameters if one.name in point
    }
    return {name: value for name, value in read.items() if value is not None}


def _impossible(cube: Cube, values: Mapping[str, Scalar]) -> str:
    """Why no point of the space has these values; empty if there is one."""
    known = {parameter.name: parameter for parameter in cube.parameters}
    for name in values:
        condition = known[name].condition
        if condition is not None and condition.parameter in values:
            parent = condition.parameter
            if not predicate(condition, known[parent])(values[parent]):
                return (
                    f"{name} does not exist where {parent} is {values[parent]}; remove one of them"
                )
    if cube.key(values) is None and next(_drawn(cube, values, "feasibility"), None) is None:
        return (
            "has values that conditions or constraints forbid together; change them, or give all "
            "parameters"
        )
    return ""


def _drawn(cube: Cube, values: Mapping[str, Scalar], text: str) -> Iterator[Assignment]:
    """Random points of the space that have these values, from MOST_DRAWS draws that `text`
    seeds.
    """
    for attempt in range(MOST_DRAWS):
        drawn = cube.decode(uniform(f"{text}/{attempt}", cube.width), values)
        if values.keys() <= drawn.keys() and cube.allows(drawn):
            yield drawn
