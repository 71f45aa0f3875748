"""One parameter as one side of the unit cube: maps [0, 1] to its feasible values, and back."""

import math
import sys
from collections.abc import Sequence
from fractions import Fraction
from statistics import NormalDist
from typing import Protocol

from events.spec.space import Distribution, Parameter, ParameterType, Scalar

LOGARITHMIC = (Distribution.LOG_UNIFORM, Distribution.LOG_NORMAL)
NORMAL = (Distribution.NORMAL, Distribution.LOG_NORMAL)
DIGITS = 12
"""Digits of a double without a step: more than any training needs, and short to read."""
DEVIATIONS = 6
"""A normal distribution spans this many standard deviations between the bounds, as in Katib."""
LARGEST_LOGARITHM = math.log(sys.float_info.max)
MANTISSA_BITS = 53


class Dimension(Protocol):
    """The feasible values of a parameter along [0, 1].

    `decode(encode(value))` is `value` for each feasible value of a dimension with a size below
    2**50.
    """

    @property
    def size(self) -> int | None:
        """The number of values; None for a continuum."""
        ...

    def decode(self, u: float) -> Scalar:
        """The value at `u` in [0, 1]; values fill [0, 1] in the proportions of their
        distribution.
        """
        ...

    def encode(self, value: Scalar) -> float | None:
        """A number in [0, 1] that decodes to `value`; None if `value` is not feasible."""
        ...

    def at(self, index: int) -> Scalar:
        """The value number `index`, from 0. Raises TypeError for a continuum."""
        ...

    def index(self, value: Scalar) -> int | None:
        """The number of `value`, from 0; None if it is not feasible. Raises TypeError for a
        continuum.
        """
        ...


def dimension(parameter: Parameter) -> Dimension:
    """The dimension of a valid `parameter`."""
    space = parameter.space
    if parameter.type is ParameterType.CATEGORICAL:
        return Choices(space.list)
    if parameter.type is ParameterType.DISCRETE:
        return Choices(sorted(space.list, key=float))
    whole = parameter.type is ParameterType.INT
    step: float | None = 1 if whole and space.step is None else space.step
    law = Law(space.distribution, parameter.low, parameter.high)
    if parameter.low == parameter.high:
        return Choices([int(parameter.low) if whole else float(parameter.low)])
    return Continuum(law) if step is None else Steps(law, step, whole)


class Choices:
    """A list of values, equally likely, in the order of the list."""

    def __init__(self, values: Sequence[Scalar]) -> None:
        self._values = tuple(values)
        self._places = {str(value): place for place, value in enumerate(self._values)}

    @property
    def size(self) -> int:
        return len(self._values)

    def decode(self, u: float) -> Scalar:
        return self.at(_slice(u, self.size))

    def encode(self, value: Scalar) -> float | None:
        place = self.index(value)
        return None if place is None else _middle(place, self.size)

    def at(self, index: int) -> Scalar:
        return self._values[index]

    def index(self, value: Scalar) -> int | None:
        return self._places.get(str(value))


class Law:
    """The distribution of a number between two bounds; scaled numbers are logarithms where it is
    logarithmic.
    """

    def __init__(self, distribution: Distribution, low: float, high: float) -> None:
        self.low, self.high = low, high
        self.logarithmic = distribution in LOGARITHMIC
        a, b = self.scale(low), self.scale(high)
        deviation = b / DEVIATIONS - a / DEVIATIONS
        normal = distribution in NORMAL and deviation > 0
        self.bell = NormalDist(a / 2 + b / 2, deviation) if normal else None

    def scale(self, number: float) -> float:
        return math.log(number) if self.logarithmic else float(number)

    def unscale(self, scaled: float) -> float:
        return math.exp(min(scaled, LARGEST_LOGARITHM)) if self.logarithmic else scaled

    def quantile(self, u: float, start: float, end: float) -> float:
        """The scaled number below which the share `u` of the probability between `start` and `end`,
        both scaled, lies.
        """
        if self.bell is None:
            return start * (1 - u) + end * u
        below, above = self.bell.cdf(start), self.bell.cdf(end)
        share = below * (1 - u) + above * u
        return (
            start
            if share <= 0
            else end
            if share >= 1
            else min(max(self.bell.inv_cdf(share), start), end)
        )

    def share(self, scaled: float, start: float, end: float) -> float:
        """The inverse of `quantile`."""
        if self.bell is None:
            half, below = end / 2 - start / 2, scaled / 2 - start / 2
            return min(max(below / half, 0.0), 1.0) if half > 0 else 0.5
        bottom, top = self.bell.cdf(start), self.bell.cdf(end)
        return min(max((self.bell.cdf(scaled) - bottom) / (top - bottom), 0.0), 1.0)


class Continuum:
    """A double without a step."""

    size = None

    def __init__(self, law: Law) -> None:
        self._law = law
        self._start, self._end = law.scale(law.low), law.scale(law.high)
        self._decimals = DIGITS - math.frexp(law.high - law.low)[1] * 3 // 10

    def decode(self, u: float) -> float:
        law = self._law
        value = law.unscale(law.quantile(u, self._start, self._end))
        value = float(f"{value:.{DIGITS}g}") if law.logarithmic else round(value, self._decimals)
        return float(min(max(value, law.low), law.high))

    def encode(self, value: Scalar) -> float | None:
        if isinstance(value, str) or not self._law.low <= value <= self._law.high:
            return None
        return self._law.share(self._law.scale(value), self._start, self._end)

    def at(self, index: int) -> Scalar:
        raise TypeError("a continuum has no numbered values")

    def index(self, value: Scalar) -> int | None:
        raise TypeError("a continuum has no numbered values")


class Steps:
    """An int, or a double with a step: min, min + step, … up to max, exact to the last decimal.

    Each value has a cell that reaches half-way to its neighbours on the scale of the distribution.
    The cells of the end values reach as far outwards as inwards, so that end values are as likely
    as the distribution says, not half so.
    """

    def __init__(self, law: Law, step: float, whole: bool) -> None:
        low, stride = Fraction(str(law.low)), Fraction(str(step))
        self._law, self._step, self._whole = law, step, whole
        self._denominator = math.lcm(low.denominator, stride.denominator)
        self._first = int(low * self._denominator)
        self._stride = int(stride * self._denominator)
        self.size = int((Fraction(str(law.high)) - low) // stride) + 1
        self._even = law.bell is None and not law.logarithmic

    def at(self, index: int) -> int | float:
        numerator = self._first + index * self._stride
        return numerator // self._denominator if self._whole else numerator / self._denominator

    def index(self, value: Scalar) -> int | None:
        if isinstance(value, str) or not math.isfinite(value):
            return None
        place = round((Fraction(str(value + 0)) * self._denominator - self._first) / self._stride)
        return place if 0 <= place < self.size and self.at(place) == value else None

    def decode(self, u: float) -> int | float:
        if self._even or self.size == 1:
            return self.at(_slice(u, self.size))
        return self.at(self._place(self._law.quantile(u, self._edge(0), self._edge(self.size))))

    def encode(self, value: Scalar) -> float | None:
        place = self.index(value)
        if place is None or self._even or self.size == 1:
            return None if place is None else _middle(place, self.size)
        start, end = self._edge(0), self._edge(self.size)
        below, above = (
            self._law.share(self._edge(edge), start, end) for edge in (place, place + 1)
        )
        return (below + above) / 2

    def _place(self, scaled: float) -> int:
        """The number of the cell in which a scaled number lies."""
        offset = (self._law.unscale(scaled) - self._law.low) / self._step
        place = math.floor(min(max(offset, 0), self.size - 1))
        return place + 1 if place + 1 < self.size and scaled >= self._edge(place + 1) else place

    def _edge(self, place: int) -> float:
        """Where the cell number `place` begins, scaled; the first and last cell reach outwards as
        far as inwards.
        """
        if place == 0:
            return 2 * self._scaled(0) - self._edge(1)
        if place == self.size:
            return 2 * self._scaled(self.size - 1) - self._edge(self.size - 1)
        return self._scaled(place - 1) / 2 + self._scaled(place) / 2

    def _scaled(self, place: int) -> float:
        return self._law.scale(self.at(place))


def _slice(u: float, size: int) -> int:
    """The number of that of `size` equal slices of [0, 1] in which `u` is; exact for sizes beyond a
    float's digits.
    """
    return min(max(int(u * 2**MANTISSA_BITS) * size >> MANTISSA_BITS, 0), size - 1)


def _middle(place: int, size: int) -> float:
    """The middle of slice number `place`."""
    return (2 * place + 1) / (2 * size)
