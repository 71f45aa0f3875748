"""Linear constraints between parameters, such as `dropout1 + 2*dropout2 <= 0.9`: parsed, checked,
and exact."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from events.errors import RefusalError
from events.spec.problem import Path, Problem
from events.spec.space import Assignment, Parameter, ParameterType, number

MOST, LONGEST, DEEPEST = 100, 500, 20
"""Constraints of a space, characters of one, brackets within brackets."""
ROUNDING = 1e-9
"""Nearer to the bound than this share of the terms, the sum is taken again without rounding."""
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d][\w.]*)|`(?P<quoted>[^`]+)`"
    r"|(?P<sign><=|>=|==|!=|[-+*/()<>=]))"
)
_FORM = "write it such as: a + 2*b <= 0.9"


class ConstraintError(RefusalError, ValueError):
    """What is wrong with the text of a constraint, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A sum of weighted parameters and a constant; a parameter whose weights cancel stays, with
    weight 0."""

    weights: Mapping[str, Fraction]
    constant: Fraction = Fraction(0)

    def plus(self, other: "Linear", factor: Fraction = Fraction(1)) -> "Linear":
        names = {**self.weights, **other.weights}
        weights = {
            n: self.weights.get(n, Fraction(0)) + factor * other.weights.get(n, Fraction(0))
            for n in names
        }
        return Linear(weights, self.constant + factor * other.constant)

    def times(self, factor: Fraction) -> "Linear":
        return Linear(
            {name: factor * weight for name, weight in self.weights.items()}, factor * self.constant
        )


class Constraint:
    """A sum that is at most 0, or below 0 if `strict`. Applies where all its parameters exist."""

    def __init__(self, total: Linear, *, strict: bool) -> None:
        self.total, self.strict = total, strict
        self.names = tuple(total.weights)
        self._rounded = [(name, float(weight)) for name, weight in total.weights.items()]
        self._constant = float(total.constant)

    def holds(self, assignment: Assignment) -> bool:
        """Is it met, or is one of its parameters absent? Numbers count as they are written: 0.1 +
        0.2 is 0.3."""
        total, size = self._constant, abs(self._constant)
        for name, weight in self._rounded:
            if name not in assignment:
                return True
            term = weight * number(assignment[name])
            total, size = total + term, size + abs(term)
        if abs(total) > ROUNDING * size:
            return total < 0
        terms = (
            weight * Fraction(str(number(assignment[name])))
            for name, weight in self.total.weights.items()
        )
        exact = sum(terms, self.total.constant)
        return exact < 0 or (exact == 0 and not self.strict)


def parse_constraint(text: str) -> Constraint:
    """The constraint that is written as `text`. Raises ConstraintError."""
    if len(text) > LONGEST:
        raise ConstraintError(f"has more than {LONGEST} characters; split it")
    return _Reader(text).constraint()


def constraint_problems(parameters: Sequence[Parameter], texts: Sequence[str]) -> Iterator[Problem]:
    """What is wrong with constraints as they are written, and with what they name."""
    where: Path = ("spec", "constraints")
    if len(texts) > MOST:
        yield Problem(where, f"{len(texts)} are too many; at most {MOST} are allowed")
        return
    known = {parameter.name: parameter for parameter in parameters}
    for index, text in enumerate(texts):
        try:
            constraint = parse_constraint(text)
        except ConstraintError as error:
            yield Problem((*where, index), f"{text[:LONGEST]!r} {error}")
            continue
        for name in constraint.names:
            if name not in known:
                yield Problem((*where, index), _unknown(name, known))
            elif known[name].type is ParameterType.CATEGORICAL:
                words = (
                    f"{name!r} is categorical, and constraints are about numbers; make it "
                    "discrete, or leave it out"
                )
                yield Problem((*where, index), words)


def _unknown(name: str, known: Mapping[str, Parameter]) -> str:
    alike = next(
        (other for other in known if other.startswith(name) and not other.isidentifier()), None
    )
    hint = f"; write names with other signs in backquotes: `{alike}`" if alike else ""
    return f"{name!r} is not a parameter of this space; there are: {', '.join(known)}{hint}"


class _Reader:
    """Recursive descent over the tokens of one constraint."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._place = 0
        self._depth = 0

    def constraint(self) -> Constraint:
        left = self._sum()
        kind, sign = self._next()
        if kind != "sign" or sign not in ("<=", ">=", "<", ">"):
            raise ConstraintError(_no_comparison(sign))
        right = self._sum()
        if self._place < len(self._tokens):
            rest = self._next()[1]
            remedy = "give one comparison a constraint" if rest[0] in "<>=!" else _FORM
            raise ConstraintError(f"continues with {rest!r} where it should end; {remedy}")
        total = left.plus(right, Fraction(-1))
        if not any(total.weights.values()):
            raise ConstraintError(f"does not depend on any parameter; {_FORM}")
        total = total if sign[0] == "<" else total.times(Fraction(-1))
        try:
            return Constraint(total, strict=len(sign) == 1)
        except OverflowError:
            raise ConstraintError("has numbers that are too large; divide both sides") from None

    def _sum(self) -> Linear:
        total = self._product()
        while self._peek() in ("+", "-"):
            sign = Fraction(1 if self._next()[1] == "+" else -1)
            total = total.plus(self._product(), sign)
        return total

    def _product(self) -> Linear:
        product = self._factor()
        while self._peek() in ("*", "/"):
            sign, factor = self._next()[1], self._factor()
            if sign == "/":
                product = _divided(product, factor)
            elif product.weights and factor.weights:
                raise ConstraintError(
                    "multiplies parameters, and only linear constraints are known; search for "
                    "the product instead"
                )
            else:
                product = (
                    product.times(factor.constant)
                    if not factor.weights
                    else factor.times(product.constant)
                )
        return product

    def _factor(self) -> Linear:
        kind, text = self._next()
        if kind == "number":
            return Linear({}, _number(text))
        if kind in ("name", "quoted"):
            return Linear({text: Fraction(1)})
        self._depth += 1
        if self._depth > DEEPEST:
            raise ConstraintError(
                f"has more than {DEEPEST} signs and brackets within each other; {_FORM}"
            )
        if text in ("+", "-"):
            inner = self._factor().times(Fraction(1 if text == "+" else -1))
        elif text == "(":
            inner = self._sum()
            if self._next()[1] != ")":
                raise ConstraintError("has a bracket that is not closed; add the )")
        else:
            raise ConstraintError(f"has {text!r} where a number or a parameter should be; {_FORM}")
        self._depth -= 1
        return inner

    def _peek(self) -> str:
        """The next sign; nothing at the end, and for what is no sign."""
        kind, text = self._tokens[self._place] if self._place < len(self._tokens) else ("", "")
        return text if kind == "sign" else ""

    def _next(self) -> tuple[str, str]:
        if self._place == len(self._tokens):
            raise ConstraintError(f"ends too early; {_FORM}")
        self._place += 1
        return self._tokens[self._place - 1]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    place, text = 0, text.rstrip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            rest = text[place:].strip()[0]
            raise ConstraintError(f"has {rest!r}, which is not a sign of a constraint; {_FORM}")
        kind = found.lastgroup or ""
        yield kind, found[kind]
        place = found.end()


def _number(text: str) -> Fraction:
    try:
        return Fraction(str(number(text)))
    except ValueError as error:
        raise ConstraintError(f"has a number that cannot be used: {error}") from None


def _divided(product: Linear, divisor: Linear) -> Linear:
    if divisor.weights:
        raise ConstraintError(
            "divides by a parameter, and only linear constraints are known; multiply both sides"
        )
    if not divisor.constant:
        raise ConstraintError("divides by 0")
    return product.times(1 / divisor.constant)


def _no_comparison(sign: str) -> str:
    if sign in ("==", "=", "!="):
        return (
            f"has {sign!r}, and points drawn at random hardly ever meet an equation: use <= or >=, "
            "or let the program compute one parameter from the others"
        )
    return f"has {sign!r} where <=, >=, < or > should be; {_FORM}"
