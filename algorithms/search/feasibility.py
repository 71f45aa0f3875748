"""Whether constraints leave enough of a space to find allowed points by drawing at random."""

from collections.abc import Iterator

from algorithms.search.shell.novelty import uniform
from algorithms.search.shell.permutation import Permutation
from algorithms.space.encoding import Cube
from events.spec.conditions import outermost_first
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Problem

SAMPLED = 10_000
LEAST_ALLOWED = 10
"""How many of SAMPLED random points have to be allowed; with fewer, finding one takes too long."""
_WHERE = ("spec", "constraints")
_REMEDY = (
    "loosen them, narrow min and max to where they hold, or let the program compute one parameter "
    "from the others"
)


def allowed_points(cube: Cube) -> int | None:
    """The number of points of a finite space that the constraints allow; None if there are too many
    to count.
    """
    if not cube.constraints:
        return cube.size
    if cube.size is None or cube.size > SAMPLED:
        return None
    return sum(cube.allows(cube.at(index)) for index in range(cube.size))


def feasibility_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Why allowed points of `spec` could not be found, by random draws and, in a finite space, by a
    random walk.
    """
    if not spec.constraints:
        return
    cube = _concerned(Cube.of(spec))
    counted = allowed_points(cube)
    if counted is not None:
        if counted == 0:
            names = ", ".join(parameter.name for parameter in cube.parameters)
            yield Problem(
                _WHERE, f"no values of {names} are allowed by the constraints; loosen them"
            )
        return
    drawn = sum(
        cube.allows(cube.decode(uniform(f"feasibility/{n}", cube.width))) for n in range(SAMPLED)
    )
    if drawn < LEAST_ALLOWED:
        yield Problem(
            _WHERE, f"{_few(drawn)} random points are allowed by the constraints; {_REMEDY}"
        )
    elif cube.size is not None:
        walk = Permutation(cube.size, 0)
        met = sum(cube.allows(cube.at(walk[n])) for n in range(SAMPLED))
        if met < LEAST_ALLOWED:
            yield Problem(
                _WHERE,
                f"{_few(met)} combinations of values are allowed by the constraints; {_REMEDY}",
            )


def _concerned(cube: Cube) -> Cube:
    """The part of the space on which the constraints depend, conditions included."""
    names = {name for constraint in cube.constraints for name in constraint.names}
    for parameter in reversed(outermost_first(cube.parameters)):
        if parameter.name in names and parameter.condition is not None:
            names.add(parameter.condition.parameter)
    return Cube((one for one in cube.parameters if one.name in names), cube.texts)


def _few(found: int) -> str:
    return f"only {found} of {SAMPLED:,}" if found else f"none of {SAMPLED:,}"
