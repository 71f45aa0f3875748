"""The search space as a unit cube: points in [0, 1]^d to assignments, and back."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from hashlib import blake2b
from types import MappingProxyType
from typing import Self

from algorithms.space import numbering
from algorithms.space.dimension import Dimension, dimension
from algorithms.space.numbering import Branch
from events.spec.conditions import outermost_first, predicate
from events.spec.constraints import parse_constraint
from events.spec.experiment import ExperimentSpec
from events.spec.space import Assignment, Parameter, ParameterType, Scalar

MIDDLE = 0.5
"""The coordinate of a conditional parameter that does not exist."""


class Cube:
    """The parameters of one experiment in their order, each one side of the cube.

    A parameter whose condition does not hold is absent from assignments. Measured on 8 tuning
    problems, one flat cube with this decoding needs a tenth of the time of Nevergrad's native
    parameters and finds better values at 100 trials.
    """

    def __init__(self, parameters: Iterable[Parameter], constraints: Iterable[str] = ()) -> None:
        self.parameters = tuple(parameters)
        self.texts = tuple(constraints)
        self.constraints = tuple(parse_constraint(text) for text in self.texts)
        self._sides = {parameter.name: dimension(parameter) for parameter in self.parameters}
        self._conditions = _conditions(self.parameters)
        self._order = [parameter.name for parameter in outermost_first(self.parameters)]
        self.width = len(self.parameters)
        """d, the number of parameters."""
        finite = all(side.size is not None for side in self._sides.values())
        self._branches = _branches(self.parameters, self._sides) if finite else ()
        self.size = numbering.size(self._branches) if finite else None
        """The number of distinct assignments, those that the constraints forbid included; None if a
        parameter is a continuum."""

    @classmethod
    def of(cls, spec: ExperimentSpec) -> Self:
        """The space of a valid experiment, with all its conditions and constraints."""
        return cls(spec.parameters, spec.constraints)

    @property
    def categorical(self) -> bool:
        """Are all parameters categorical?"""
        return all(parameter.type is ParameterType.CATEGORICAL for parameter in self.parameters)

    def decode(
        self, point: Sequence[float], fixed: Assignment = MappingProxyType({})
    ) -> dict[str, Scalar]:
        """The assignment at `point`, d numbers in [0, 1]; constraints may forbid it.

        Parameters in `fixed` have the values that it gives, where they exist.
        """
        sides = zip(self._sides.items(), point, strict=True)
        values = {
            name: fixed[name] if name in fixed else side.decode(float(u))
            for (name, side), u in sides
        }
        if not self._conditions:
            return values
        existing = self._existing(values)
        return {name: value for name, value in values.items() if name in existing}

    def encode(self, assignment: Assignment) -> list[float] | None:
        """A point, d numbers in [0, 1], that decodes to `assignment`; None if that is not of this
        space.

        Absent parameters are at MIDDLE.
        """
        if not self._fits(assignment):
            return None
        sides = self._sides.items()
        point = [
            side.encode(assignment[name]) if name in assignment else MIDDLE for name, side in sides
        ]
        known = [u for u in point if u is not None]
        return known if len(known) == len(point) else None

    def allows(self, assignment: Assignment) -> bool:
        """Do the constraints hold for an assignment, as `decode` gives it?"""
        return all(constraint.holds(assignment) for constraint in self.constraints)

    def at(self, index: int) -> dict[str, Scalar]:
        """The assignment number `index`, from 0, of a finite space; constraints may forbid it."""
        assignment: dict[str, Scalar] = {}
        numbering.write(self._branches, index, assignment)
        return {name: assignment[name] for name in self._sides if name in assignment}

    def key(self, assignment: Assignment) -> int | None:
        """The key of `assignment`: its number in a finite space, else a hash of 64 bits; None if
        not of this space.
        """
        if not self._fits(assignment):
            return None
        if self.size is not None:
            return numbering.number(self._branches, assignment)
        text = repr([assignment.get(name) for name in self._sides])
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")

    def _fits(self, assignment: Assignment) -> bool:
        """Does `assignment` have exactly the parameters that exist, and do the constraints hold?"""
        if assignment.keys() != self._existing(assignment):
            return False
        try:
            return self.allows(assignment)
        except ValueError:  # a word where a constraint needs a number
            return False

    def _existing(self, values: Assignment) -> Set[str]:
        """The names of the parameters that exist if others have `values`."""
        if not self._conditions:
            return self._sides.keys()
        existing = set[str]()
        for name in self._order:
            condition = self._conditions.get(name)
            if condition is None or (
                condition[0] in existing and condition[1](values.get(condition[0]))
            ):
                existing.add(name)
        return existing


Conditions = Mapping[str, tuple[str, Callable[[Scalar | None], bool]]]
"""By conditional parameter: the name of its parent, and whether it exists for a value of that."""


def _conditions(parameters: Iterable[Parameter]) -> Conditions:
    known = {parameter.name: parameter for parameter in parameters}
    return {
        name: (condition.parameter, _total(predicate(condition, known[condition.parameter])))
        for name, parameter in known.items()
        if (condition := parameter.condition) is not None
    }


def _total(meets: Callable[[Scalar], bool]) -> Callable[[Scalar | None], bool]:
    """`meets`, but False for what is not a value of the parent."""

    def total(value: Scalar | None) -> bool:
        try:
            return value is not None and meets(value)
        except ValueError:
            return False

    return total


def _branches(
    parameters: Sequence[Parameter], sides: Mapping[str, Dimension]
) -> tuple[Branch, ...]:
    """For each parameter that always exists, the tree of those that depend on it, built from its
    leaves.
    """
    known = {parameter.name: parameter for parameter in parameters}
    beneath: dict[str, list[tuple[Branch, numbering.Places]]] = {name: [] for name in known}
    whole: dict[str, Branch] = {}
    for parameter in reversed(outermost_first(parameters)):
        name, condition = parameter.name, parameter.condition
        branch = Branch(name, sides[name], beneath[name][::-1])
        if condition is None:
            whole[name] = branch
        else:
            runs = numbering.places(
                sides[condition.parameter], known[condition.parameter], condition
            )
            beneath[condition.parameter].append((branch, runs))
    return tuple(whole[parameter.name] for parameter in parameters if parameter.name in whole)
