"""Conditions are refused, with place and remedy, where they make no sense; order does not
matter."""

from typing import Any

import pytest

from events.spec.conditions import DEEPEST, condition_problems, is_value, outermost_first, predicate
from events.spec.problem import Problem
from events.spec.space import (
    Condition,
    Distribution,
    FeasibleSpace,
    Parameter,
    ParameterType,
    Scalar,
)

DOUBLE, INT, DISCRETE, WORDS = (
    ParameterType.DOUBLE,
    ParameterType.INT,
    ParameterType.DISCRETE,
    ParameterType.CATEGORICAL,
)
SPACE: list[tuple[str, ParameterType, dict[str, Any]]] = [
    ("lr", DOUBLE, {"min": 0.1, "max": 1}),
    ("step", DOUBLE, {"min": 0.1, "max": 1, "step": 0.2}),
    ("n", INT, {"min": 1, "max": 9, "step": 4}),
    ("size", DISCRETE, {"list": ("8", "0.5", 32)}),
    ("kind", WORDS, {"list": ("sgd", "adam", True, 1.5)}),
]


def space(**conditions: dict[str, Any]) -> list[Parameter]:
    """SPACE, and for each condition a parameter that has it."""
    known = [
        Parameter(name=n, parameterType=t, feasibleSpace=FeasibleSpace(**more))
        for n, t, more in SPACE
    ]
    one = FeasibleSpace(min=0, max=1, distribution=Distribution.UNIFORM)
    return known + [
        Parameter(
            name=name,
            parameterType=DOUBLE,
            feasibleSpace=one,
            condition=Condition.model_validate(condition),
        )
        for name, condition in conditions.items()
    ]


@pytest.mark.parametrize(
    ("condition", "holds", "fails"),
    [
        ({"parameter": "lr", "range": (0.2, 5)}, [0.2, 1.0], [0.1999]),
        ({"parameter": "step", "equals": "0.3"}, [0.3], [0.1, 0.5]),
        ({"parameter": "step", "range": (0.3, 0.7)}, [0.3, 0.5, 0.7], [0.1, 0.9]),
        ({"parameter": "n", "in": (1, 9.0)}, [1, 9], [5]),
        ({"parameter": "size", "equals": 8}, ["8"], ["0.5", 32]),
        ({"parameter": "size", "range": (1, 40)}, ["8", 32], ["0.5"]),
        ({"parameter": "kind", "in": ("sgd", True)}, ["sgd", True], ["adam", 1.5]),
    ],
)
def test_what_is_allowed_is_meant(
    condition: dict[str, Any], holds: list[Scalar], fails: list[Scalar]
) -> None:
    parameters = space(x=condition)
    assert list(condition_problems(parameters)) == []
    assert parameters[-1].condition is not None
    parent = next(one for one in parameters if one.name == condition["parameter"])
    meets = predicate(parameters[-1].condition, parent)
    assert all(map(meets, holds))
    assert not any(map(meets, fails))


@pytest.mark.parametrize(
    ("condition", "place", "message"),
    [
        ({"parameter": "lr"}, (), "give exactly one of in, equals and range"),
        ({"parameter": "kind", "equals": "sgd", "in": ("adam",)}, (),
            "give exactly one of in, equals and range"),
        ({"parameter": "x", "equals": 1}, ("parameter",),
            "'x' is not another parameter of this space"),
        ({"parameter": "mom", "equals": 1}, ("parameter",),
            "'mom' is not another parameter of this space"),
        ({"parameter": "lr", "equals": 0.5}, ("equals",),
         ("'lr' is a double without a step, which is hardly ever just this; use range, or give "
             "a step")),
        ({"parameter": "kind", "in": ("sgd", "SGD")}, ("in", 1),
         "'SGD' is not a value of 'kind', which has sgd, adam, True, 1.5"),
        ({"parameter": "kind", "equals": "true"}, ("equals",),
         "'true' is not a value of 'kind', which has sgd, adam, True, 1.5"),
        ({"parameter": "kind", "in": ()}, ("in",),
            "is empty, so the parameter never exists; list values of 'kind'"),
        ({"parameter": "kind", "range": (0, 1)}, ("range",),
            "'kind' is categorical and has no order; use in"),
        ({"parameter": "n", "equals": 3}, ("equals",),
            "3 is not a value of 'n', which goes from 1 to 9 in steps of 4"),
        ({"parameter": "n", "equals": "one"}, ("equals",),
         "'one' is not a value of 'n', which goes from 1 to 9 in steps of 4"),
        ({"parameter": "step", "equals": 0.2}, ("equals",),
         "0.2 is not a value of 'step', which goes from 0.1 to 1 in steps of 0.2"),
        ({"parameter": "n", "range": (6, 8)}, ("range",),
         ("no value of 'n', which goes from 1 to 9 in steps of 4, lies within, so the "
             "parameter never exists")),
        ({"parameter": "size", "range": (9, 31)}, ("range",),
         "no value of 'size', which has 8, 0.5, 32, lies within, so the parameter never exists"),
        ({"parameter": "lr", "range": (1, 2)}, ("range",),
         "no value of 'lr', which goes from 0.1 to 1, lies within, so the parameter never exists"),
        ({"parameter": "lr", "range": (0.5, 0.2)}, ("range",),
            "0.5 is greater than 0.2; swap them"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(
    condition: dict[str, Any], place: tuple[str | int, ...], message: str
) -> None:
    assert list(condition_problems(space(x=condition))) == [
        Problem(("spec", "parameters", len(SPACE), "condition", *place), message)
    ]


def test_a_circle_is_told_to_each_of_its_parameters() -> None:
    ring = {"a": "b", "b": "c", "c": "a", "d": "a"}
    found = list(
        condition_problems(
            space(**{one: {"parameter": other, "range": (0, 1)} for one, other in ring.items()})
        )
    )
    assert [problem.message for problem in found] == [
        "parameters depend on each other in a circle (a → b → c → a); remove one of these "
        "conditions",
        "parameters depend on each other in a circle (b → c → a → b); remove one of these "
        "conditions",
        "parameters depend on each other in a circle (c → a → b → c); remove one of these "
        "conditions",
        "'a' depends on a circle of conditions; see there",
    ]


def test_conditions_may_stand_upon_each_other_but_not_without_end() -> None:
    chain = {
        f"x{n}": {"parameter": f"x{n - 1}" if n else "lr", "range": (0.5, 1)}
        for n in range(DEEPEST + 2)
    }
    found = list(condition_problems(space(**chain)))
    assert [problem.path[2] for problem in found] == [
        len(SPACE) + DEEPEST,
        len(SPACE) + DEEPEST + 1,
    ]
    assert "more than 20 conditions stand upon each other" in found[0].message
    valid = dict(list(chain.items())[:DEEPEST])
    assert list(condition_problems(space(**valid))) == []
    order = [one.name for one in outermost_first(space(**dict(reversed(valid.items()))))][-DEEPEST:]
    assert order == list(valid)


@pytest.mark.parametrize(
    ("name", "values", "strangers"),
    [
        ("lr", [0.1, "0.5", 1], [0.09, "x", True]),
        ("step", [0.1, 0.3, "0.9"], [0.2, 1.0, 0.30000000000000004]),
        ("n", [1, "5", 9.0], [2, 13, 1.5]),
        ("size", [8, "32", 0.5], [9, "word"]),
        ("kind", ["sgd", True, 1.5, "1.5"], ["true", 1]),
    ],
)
def test_which_values_a_parameter_has(
    name: str, values: list[Scalar], strangers: list[Scalar]
) -> None:
    parameter = next(one for one in space() if one.name == name)
    assert all(is_value(parameter, value) for value in values)
    assert not any(is_value(parameter, value) for value in strangers)
