"""Constraints: what can be written, that it means what it says to the last decimal, and what is
refused."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.spec.constraints import ConstraintError, constraint_problems, parse_constraint
from events.spec.space import Assignment, FeasibleSpace, Parameter, ParameterType

NUMBERS = st.one_of(st.integers(-1000, 1000), st.integers(-1000, 1000).map(lambda n: n / 100))


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> tuple[str, str]:
    """A linear expression, and the same in Python over exact numbers."""
    kind = draw(
        st.sampled_from(
            ["number", "name"] if depth == 0 else ["number", "name", "sum", "product", "minus"]
        )
    )
    if kind == "number":
        number = draw(NUMBERS.map(abs))
        return str(number), f"F('{number}')"
    if kind == "name":
        name = draw(st.sampled_from(["a", "b", "`c-d`"]))
        return name, name.strip("`").replace("-", "_")
    one, exact = draw(expressions(depth - 1))
    if kind == "minus":
        return f"-({one})", f"-({exact})"
    if kind == "product":
        factor = draw(st.integers(1, 99))
        if draw(st.booleans()):
            return f"({one}) / {factor}", f"({exact}) / F({factor})"
        return draw(
            st.sampled_from([f"{factor} * ({one})", f"({one})*{factor}"])
        ), f"({exact}) * F({factor})"
    other, exact_other = draw(expressions(depth - 1))
    sign = draw(st.sampled_from(["+", " - "]))
    return f"{one}{sign}({other})", f"({exact}) {sign} ({exact_other})"


@given(
    expressions(),
    expressions(),
    st.sampled_from(["<=", ">=", "<", ">"]),
    st.tuples(NUMBERS, NUMBERS, NUMBERS),
)
def test_it_means_what_it_says(
    left: tuple[str, str], right: tuple[str, str], sign: str, values: tuple[float, float, float]
) -> None:
    try:
        constraint = parse_constraint(f"{left[0]} {sign} {right[0]}")
    except ConstraintError as error:
        assert "does not depend on any parameter" in str(error) or "500 characters" in str(error)  # noqa: PT017
        return
    exact = {
        name: Fraction(str(value)) for name, value in zip(("a", "b", "c_d"), values, strict=True)
    }
    wanted = eval(f"{left[1]} {sign} {right[1]}", {"F": Fraction, **exact})
    assert constraint.holds(dict(zip(("a", "b", "c-d"), values, strict=True))) == wanted


@pytest.mark.parametrize(
    ("text", "assignment", "holds"),
    [
        ("a + b <= 0.3", {"a": 0.1, "b": 0.2}, True),
        ("a + b < 0.3", {"a": 0.1, "b": 0.2}, False),
        ("dropout1 + 2*dropout2 <= 0.9", {"dropout1": 0.3, "dropout2": 0.3}, True),
        ("lr_end<=lr_start", {"lr_end": 1e-300, "lr_start": 1e-299}, True),
        ("lr.end >= lr.start", {"lr.end": 1e-300, "lr.start": 1e-299}, False),
        ("a <= 2 * (b - 1) / 4", {"a": "0.5", "b": "2"}, True),
        ("a <= b", {"a": 3}, True),
        ("a <= b", {"b": 3}, True),
        ("a - a + b <= 1", {"b": 3}, True),
        ("a - a + b <= 1", {"a": 0, "b": 3}, False),
        ("`--lr` > 1e-3", {"--lr": 0.002}, True),
        ("größe <= 1e308 * 1", {"größe": 1e308}, True),
        ("a * 1e300 <= b * 1e300", {"a": 1e300, "b": 1e299}, False),
    ],
)
def test_examples(text: str, assignment: Assignment, holds: bool) -> None:
    assert parse_constraint(text).holds(assignment) is holds


EQUATION = (
    "and points drawn at random hardly ever meet an equation: use <= or >=, or let the program "
    "compute one parameter "
    "from the others"
)
FORM = "write it such as: a + 2*b <= 0.9"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"ends too early; {FORM}"),
        ("a", f"ends too early; {FORM}"),
        ("a <=", f"ends too early; {FORM}"),
        ("a b <= 1", f"has 'b' where <=, >=, < or > should be; {FORM}"),
        ("a <= 1 b", f"continues with 'b' where it should end; {FORM}"),
        ("0 <= a <= 1",
            "continues with '<=' where it should end; give one comparison a constraint"),
        ("a == b", f"has '==', {EQUATION}"),
        ("a != 1", f"has '!=', {EQUATION}"),
        ("a * b <= 1",
            ("multiplies parameters, and only linear constraints are known; search for the product "
            "instead")),
        ("1 / a <= 1",
            "divides by a parameter, and only linear constraints are known; multiply both sides"),
        ("a / (1 - 1) <= 1", "divides by 0"),
        ("(a <= 1", "has a bracket that is not closed; add the )"),
        ("a <= )", f"has ')' where a number or a parameter should be; {FORM}"),
        ("a <= 1; b", f"has ';', which is not a sign of a constraint; {FORM}"),
        ("exit() <= 1", f"has '(' where <=, >=, < or > should be; {FORM}"),
        ("1 <= 2", f"does not depend on any parameter; {FORM}"),
        ("a <= a", f"does not depend on any parameter; {FORM}"),
        ("a <= 1e999", "has a number that cannot be used: inf is not finite"),
        ("a * 1e300 * 1e300 <= 1", "has numbers that are too large; divide both sides"),
        ("-" * 30 + "a <= 1", f"has more than 20 signs and brackets within each other; {FORM}"),
        ("(" * 200 + "a <= 1", f"has more than 20 signs and brackets within each other; {FORM}"),
        ("a" * 501, "has more than 500 characters; split it"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_with_the_remedy(text: str, message: str) -> None:
    with pytest.raises(ConstraintError) as error:
        parse_constraint(text)
    assert str(error.value) == message


@given(st.text(alphabet="ab01.+-*/()<>=` e", max_size=30) | st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert parse_constraint(text).names
    except ConstraintError as error:
        assert str(error)  # noqa: PT017


def parameter(name: str, kind: ParameterType = ParameterType.DOUBLE) -> Parameter:
    return Parameter(name=name, parameterType=kind, feasibleSpace=FeasibleSpace(min=0, max=1))


def test_what_it_names_is_checked() -> None:
    space = [parameter("lr-end"), parameter("a"), parameter("word", ParameterType.CATEGORICAL)]
    found = [
        problem.message
        for problem in constraint_problems(space, ["lr-end <= 1", "word <= a", "a <= 1", "a <"])
    ]
    assert found == [
        "'lr' is not a parameter of this space; there are: lr-end, a, word; "
        "write names with other signs in backquotes: `lr-end`",
        "'end' is not a parameter of this space; there are: lr-end, a, word",
        "'word' is categorical, and constraints are about numbers; make it discrete, or leave "
        "it out",
        f"'a <' ends too early; {FORM}",
    ]
    assert [problem.path for problem in constraint_problems(space, ["a <= 1", "b <= 1"])] == [
        ("spec", "constraints", 1)
    ]
    assert len(list(constraint_problems(space, ["a <"] * 101))) == 1
