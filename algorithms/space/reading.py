"""Read values that people, files and earlier experiments wrote as values of this search space."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from algorithms.space.dimension import dimension
from algorithms.space.encoding import Cube
from events.spec.conditions import outermost_first, predicate
from events.spec.space import Parameter, ParameterType, Scalar, number
from events.spec.warm_start import Row


def value_of(parameter: Parameter, given: Scalar) -> Scalar | None:
    """The value of `parameter` that `given` means, of the parameter's own type; None if it is not
    feasible.
    """
    if parameter.type is ParameterType.CATEGORICAL:
        return next(
            (known for known in parameter.space.list if _written(known) == _written(given)), None
        )
    try:
        wanted = number(given)
    except ValueError:
        return None
    if parameter.type is ParameterType.DISCRETE:
        return next((known for known in parameter.space.list if number(known) == wanted), None)
    side = dimension(parameter)
    if side.size is None:
        return float(wanted) if parameter.low <= wanted <= parameter.high else None
    place = side.index(wanted)
    if parameter.low == parameter.high:
        return side.at(0) if wanted == parameter.low else None
    return None if place is None else side.at(place)


def _written(value: Scalar) -> str:
    """`value` as an export writes it: the word `true` and the boolean are the same."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(slots=True)
class FittedRows:
    """The rows that fit into a space, in their order, and the reasons why others do not."""

    used: list[tuple[dict[str, Scalar], float]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    ignored: set[str] = field(default_factory=set)
    """Names of parameters that rows have and the space does not."""

    @property
    def rows(self) -> int:
        return len(self.used) + self.left_out.total()

    def words(self, rows: str = "rows") -> Iterator[str]:
        """Lines for people: how many rows are used, then one line for each reason, the most
        frequent first.
        """
        yield f"{len(self.used):,} of {self.rows:,} {rows} are used"
        for reason, count in self.left_out.most_common():
            yield f"{count:,} left out: {reason}"
        if self.ignored:
            yield f"ignored, as this space does not have them: {', '.join(sorted(self.ignored))}"


def fit_rows(cube: Cube, rows: Sequence[Row]) -> FittedRows:
    """Map results of another run to this space, without making up a value or moving one into
    bounds.
    """
    found = FittedRows()
    order = outermost_first(cube.parameters)
    for row in rows:
        assignment, reason = _fit(cube, order, row.parameters)
        if assignment is None:
            found.left_out[reason] += 1
        else:
            found.used.append((assignment, row.value))
            found.ignored |= row.parameters.keys() - {parameter.name for parameter in order}
    return found


def _fit(
    cube: Cube, order: Sequence[Parameter], given: Mapping[str, Scalar]
) -> tuple[dict[str, Scalar] | None, str]:
    """The assignment of a row and an empty string, or None and the reason."""
    values: dict[str, Scalar] = {}
    known = {parameter.name: parameter for parameter in order}
    for parameter in order:
        condition = parameter.condition
        if condition is not None:
            parent = condition.parameter
            if parent not in values or not predicate(condition, known[parent])(values[parent]):
                continue
        if parameter.name not in given:
            return None, f"without a value of {parameter.name}"
        value = value_of(parameter, given[parameter.name])
        if value is None:
            return None, f"{parameter.name} is outside of its feasible space"
        values[parameter.name] = value
    assignment = {
        name: values[name] for name in (one.name for one in cube.parameters) if name in values
    }
    return (assignment, "") if cube.allows(assignment) else (None, "forbidden by the constraints")
