"""Conditions of parameters: when one holds, and what can be wrong with it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction

from events.spec.problem import Path, Problem
from events.spec.space import Condition, Parameter, ParameterType, Scalar, number

DEEPEST = 20
"""Length of a chain of conditions; far more than a person can follow."""
WORDS = ParameterType.CATEGORICAL


def predicate(condition: Condition, parent: Parameter) -> Callable[[Scalar], bool]:
    """Whether a feasible value of `parent` meets a valid `condition`."""
    if condition.range is not None:
        low, high = condition.range
        return lambda value: low <= number(value) <= high
    read = str if parent.type is WORDS else number
    wanted = {read(value) for value in _listed(condition)}
    return lambda value: read(value) in wanted


def outermost_first(parameters: Sequence[Parameter]) -> list[Parameter]:
    """The parameters, each after the one on which it depends; otherwise in their order."""
    known = {parameter.name: parameter for parameter in parameters}
    return sorted(parameters, key=lambda parameter: len(_line(parameter, known)))


def condition_problems(parameters: Sequence[Parameter]) -> Iterator[Problem]:
    """What is wrong with the conditions of `parameters`, whose feasible spaces may be wrong,
    too."""
    known = {parameter.name: parameter for parameter in parameters}
    for index, parameter in enumerate(parameters):
        condition = parameter.condition
        if condition is None:
            continue
        place: Path = ("spec", "parameters", index, "condition")
        given = [
            condition.in_ is not None,
            condition.equals is not None,
            condition.range is not None,
        ]
        if sum(given) != 1:
            yield Problem(place, "give exactly one of in, equals and range")
        parent = known.get(condition.parameter)
        if parent is None or parent is parameter:
            yield Problem(
                (*place, "parameter"),
                f"{condition.parameter!r} is not another parameter of this space",
            )
            continue
        line = _line(parameter, known)
        if len(line) > DEEPEST:
            yield Problem((*place, "parameter"), _endless(parameter, line))
        if sum(given) == 1:
            yield from _meaning_problems(condition, parent, place)


def is_value(parameter: Parameter, value: Scalar) -> bool:
    """Is `value` one of the values of `parameter`? Numbers may be written as strings."""
    if parameter.type is WORDS:
        return str(value) in {str(known) for known in parameter.space.list}
    try:
        wanted = number(value)
        if parameter.type is ParameterType.DISCRETE:
            return wanted in {number(known) for known in parameter.space.list}
    except ValueError:
        return False
    whole = parameter.type is ParameterType.INT
    if not parameter.low <= wanted <= parameter.high or (whole and wanted != int(wanted)):
        return False
    step = 1 if whole and parameter.space.step is None else parameter.space.step
    return step is None or (_exact(wanted) - _exact(parameter.low)) % _exact(step) == 0


def _line(parameter: Parameter, known: Mapping[str, Parameter]) -> list[str]:
    """The parameters on which it depends, the nearest first; ends after DEEPEST, or where one is
    not known."""
    line: list[str] = []
    while (
        parameter.condition is not None
        and len(line) <= DEEPEST
        and parameter.condition.parameter in known
    ):
        line.append(parameter.condition.parameter)
        parameter = known[parameter.condition.parameter]
    return line


def _endless(parameter: Parameter, line: Sequence[str]) -> str:
    if parameter.name in line:
        circle = " → ".join((parameter.name, *line[: line.index(parameter.name) + 1]))
        return (
            f"parameters depend on each other in a circle ({circle}); remove one of these "
            "conditions"
        )
    if len(set(line)) < len(line):
        return f"{line[0]!r} depends on a circle of conditions; see there"
    return (
        f"more than {DEEPEST} conditions stand upon each other; name a parameter nearer to the "
        "first"
    )


def _meaning_problems(condition: Condition, parent: Parameter, place: Path) -> Iterator[Problem]:
    if parent.type in (ParameterType.DOUBLE, ParameterType.INT):
        if parent.space.min is None or parent.space.max is None or (parent.space.step or 1) <= 0:
            return  # the problem is reported at the parameter itself
    elif not parent.space.list:
        return
    if condition.range is not None:
        yield from _range_problems(condition.range, parent, (*place, "range"))
        return
    field = "in" if condition.in_ is not None else "equals"
    if (
        parent.type is ParameterType.DOUBLE
        and parent.space.step is None
        and parent.space.min != parent.space.max
    ):
        words = (
            f"{parent.name!r} is a double without a step, which is hardly ever just this; use "
            "range, or give a step"
        )
        yield Problem((*place, field), words)
        return
    if not _listed(condition):
        yield Problem(
            (*place, field),
            f"is empty, so the parameter never exists; list values of {parent.name!r}",
        )
    for index, value in enumerate(_listed(condition)):
        if not is_value(parent, value):
            where = (*place, field, index) if field == "in" else (*place, field)
            yield Problem(
                where, f"{value!r} is not a value of {parent.name!r}, {values_in_words(parent)}"
            )


def _range_problems(
    bounds: tuple[float, float], parent: Parameter, place: Path
) -> Iterator[Problem]:
    low, high = bounds
    if parent.type is WORDS:
        yield Problem(place, f"{parent.name!r} is categorical and has no order; use in")
    elif low > high:
        yield Problem(place, f"{low} is greater than {high}; swap them")
    elif not _meets(parent, low, high):
        words = (
            f"no value of {parent.name!r}, {values_in_words(parent)}, lies within, so the "
            "parameter never exists"
        )
        yield Problem(place, words)


def _meets(parent: Parameter, low: float, high: float) -> bool:
    """Does a value of `parent` lie between the two?"""
    if parent.type is ParameterType.DISCRETE:
        return any(
            low <= number(value) <= high for value in parent.space.list if is_value(parent, value)
        )
    if parent.type is ParameterType.DOUBLE and parent.space.step is None:
        return max(low, parent.low) < min(high, parent.high) or (
            parent.low == parent.high and low <= parent.low <= high
        )
    start, step = _exact(parent.low), _exact(parent.space.step or 1)
    first = start + max(0, -((start - _exact(low)) // step)) * step
    return first <= min(_exact(high), _exact(parent.high))


def _listed(condition: Condition) -> tuple[Scalar, ...]:
    if condition.in_ is not None:
        return condition.in_
    return () if condition.equals is None else (condition.equals,)


def values_in_words(parent: Parameter) -> str:
    """The values of a parameter in words."""
    if parent.type in (WORDS, ParameterType.DISCRETE):
        listed = [str(value) for value in parent.space.list[:10]]
        return f"which has {', '.join(listed)}{', …' if len(parent.space.list) > 10 else ''}"
    step = parent.space.step or (1 if parent.type is ParameterType.INT else None)
    return f"which goes from {parent.space.min} to {parent.space.max}" + (
        f" in steps of {step}" if step else ""
    )


def _exact(value: float) -> Fraction:
    """The number as it is written, not as it is rounded."""
    return Fraction(str(value))
