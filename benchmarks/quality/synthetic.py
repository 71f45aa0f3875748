"""Test functions of the field on the unit cube, their optima moved away from its centre.

Branin, the six-hump camel, Hartmann, Rosenbrock, Levy, Ackley, Styblinski-Tang, Michalewicz,
Griewank and Rastrigin as in Surjanovic and Bingham, "Virtual Library of Simulation Experiments";
two of them also with parameters that have no effect, as most of those that people tune have little
(Bergstra and Bengio 2012).
"""

import math
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

from benchmarks.quality.problem import Function, double, exact
from events.spec.space import Assignment

Point = "np.ndarray[Any, np.dtype[np.float64]]"
Surface = Callable[[Any], float]
CENTRE_MARGIN, SIDE_MARGIN = 0.12, 0.1
"""The least distance of a moved optimum from the middle of each side and from its ends."""


def on_cube(surface: Surface, width: int) -> Function:
    """`surface` takes an array of `width` numbers in [0, 1]."""
    names = [f"x{index}" for index in range(1, width + 1)]

    def true(assignment: Assignment) -> float:
        return float(surface(np.array([float(assignment[name]) for name in names])))

    return exact(tuple(double(name, 0.0, 1.0) for name in names), true)


def optimum(name: str, width: int) -> Any:
    """Where the optimum of `name` is put: on each side away from the middle and the ends."""
    random = Random(name)
    offsets = [
        random.uniform(CENTRE_MARGIN, 0.5 - SIDE_MARGIN) * random.choice((-1, 1))
        for _ in range(width)
    ]
    return 0.5 + np.array(offsets)


def branin(u: Any) -> float:
    x, y = 15 * u[0] - 5, 15 * u[1]
    bowl = (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2
    return float(bowl + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10)


def camel(u: Any) -> float:
    x, y = 4 * u[0] - 1.2, 3 * u[1] - 1.2
    return float((4 - 2.1 * x**2 + x**4 / 3) * x**2 + x * y + (4 * y**2 - 4) * y**2)


_HEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
_A3 = np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]])
_P3 = 1e-4 * np.array(
    [[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]
)
_A6 = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_P6 = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann3(u: Any) -> float:
    return -float(_HEIGHTS @ np.exp(-(_A3 * (u - _P3) ** 2).sum(axis=1)))


def hartmann6(u: Any) -> float:
    return -float(_HEIGHTS @ np.exp(-(_A6 * (u - _P6) ** 2).sum(axis=1)))


def michalewicz(u: Any) -> float:
    x, order = math.pi * u, np.arange(1, len(u) + 1)
    return -float((np.sin(x) * np.sin(order * x**2 / math.pi) ** 20).sum())


def styblinski_tang(u: Any) -> float:
    x = 10 * u - 5
    return float((x**4 - 16 * x**2 + 5 * x).mean() / 2)


def log_rosenbrock(width: int) -> Surface:
    at = optimum("rosenbrock", width)

    def surface(u: Any) -> float:
        z = 1 + 10 * (u - at)
        return math.log1p(float((100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2).sum()))

    return surface


def ackley(width: int) -> Surface:
    at = optimum("ackley", width)

    def surface(u: Any) -> float:
        z = 32 * (u - at)
        waves = math.exp(float(np.cos(2 * math.pi * z).mean()))
        return float(20 + math.e - 20 * math.exp(-0.2 * math.sqrt(float((z**2).mean()))) - waves)

    return surface


def levy(width: int) -> Surface:
    at = optimum("levy", width)

    def surface(u: Any) -> float:
        w = 1 + 10 * (u - at) / 4
        middle = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(math.pi * w[:-1] + 1) ** 2)).sum()
        last = (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)
        return float(math.sin(math.pi * w[0]) ** 2 + middle + last)

    return surface


def griewank(width: int) -> Surface:
    """A wide bowl with ripples on it."""
    at, root = optimum("griewank", width), np.sqrt(np.arange(1, width + 1))

    def surface(u: Any) -> float:
        z = 60 * (u - at)
        return float((z**2).sum() / 400 - np.cos(z / root).prod() + 1)

    return surface


def rastrigin(width: int) -> Surface:
    """A bowl whose ripples are deeper than it for most of the way."""
    at = optimum("rastrigin", width)

    def surface(u: Any) -> float:
        z = 8 * (u - at)
        return float((z**2 - 10 * np.cos(2 * math.pi * z) + 10).mean())

    return surface


def ellipsoid(width: int) -> Surface:
    """The root of a rotated quadratic form whose axes differ by a factor of 30."""
    at, stretch = optimum("ellipsoid", width), 30 ** (np.arange(width) / (width - 1))
    turn, _ = np.linalg.qr(np.random.default_rng(7).normal(size=(width, width)))
    return lambda u: float(np.linalg.norm(stretch * (turn @ (u - at))))


def hidden(surface: Surface, places: tuple[int, ...]) -> Surface:
    """`surface` of the numbers at `places`; the others have no effect."""
    return lambda u: surface(u[list(places)])
