"""The unit cube: values in space and evenly likely, exact steps, a numbering without holes."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.space.encoding import Cube
from events.spec.space import Assignment, Distribution, Parameter, ParameterType, Scalar
from tests.algorithms.spaces import DOUBLE, INT, feasible, listed, parameter, ranged, spaces

UNIT = st.floats(0, 1)


def decoded(parameter: Parameter, u: float) -> Scalar:
    return Cube([parameter]).decode([u])["x"]


def drawn(parameter: Parameter, count: int = 6000) -> Counter[Scalar]:
    """How often each value comes at evenly spread u."""
    cube = Cube([parameter])
    return Counter(cube.decode([(i + 0.5) / count])["x"] for i in range(count))


@given(parameter(), UNIT)
def test_every_point_decodes_to_a_feasible_value(one: Parameter, u: float) -> None:
    assert feasible(one, decoded(one, u))


@given(parameter(), UNIT)
def test_encoding_is_undone_by_decoding(one: Parameter, u: float) -> None:
    cube = Cube([one])
    value = cube.decode([u])
    point = cube.encode(value)
    assert point is not None
    assert 0 <= point[0] <= 1
    if cube.size is not None:
        assert cube.decode(point) == value
    else:
        assert math.isclose(
            float(cube.decode(point)["x"]), float(value["x"]), rel_tol=1e-9, abs_tol=1e-6
        )


@given(spaces(finite=True), st.data())
def test_a_finite_space_is_numbered_without_holes(
    space: tuple[Parameter, ...], data: st.DataObject
) -> None:
    cube = Cube(space)
    assert cube.size is not None
    index = data.draw(st.integers(0, cube.size - 1))
    assert cube.key(cube.at(index)) == index
    assert all(feasible(one, cube.at(index)[one.name]) for one in space)


@given(parameter(), UNIT, UNIT)
def test_ordered_parameters_grow_with_u(one: Parameter, u: float, v: float) -> None:
    low, high = decoded(one, min(u, v)), decoded(one, max(u, v))
    if one.type is not ParameterType.CATEGORICAL:
        assert float(low) <= float(high)


@pytest.mark.parametrize(
    ("one", "values"),
    [
        (ranged("x", DOUBLE, 0.1, 0.5, 0.1), [0.1, 0.2, 0.3, 0.4, 0.5]),
        (ranged("x", DOUBLE, 0.001, 0.01, 0.001), [n / 1000 for n in range(1, 11)]),
        (ranged("x", DOUBLE, 0.01, 0.05, 0.02), [0.01, 0.03, 0.05]),
        (ranged("x", DOUBLE, 1e-5, 3.5e-5, 1e-5), [1e-5, 2e-5, 3e-5]),
        (ranged("x", INT, 1, 10, 4), [1, 5, 9]),
        (ranged("x", INT, 1, 10, 3), [1, 4, 7, 10]),
        (ranged("x", INT, 2, 5), [2, 3, 4, 5]),
        (ranged("x", DOUBLE, 2, 2), [2.0]),
        (ranged("x", DOUBLE, 1, 3, 1), [1.0, 2.0, 3.0]),
        (listed("x", ParameterType.DISCRETE, ["10", "9", "0.5"]), ["0.5", "9", "10"]),
        (listed("x", ParameterType.CATEGORICAL, ["b", 1, True]), ["b", 1, True]),
    ],
)
def test_values_are_exact_and_equally_likely(one: Parameter, values: list[Scalar]) -> None:
    cube = Cube([one])
    assert cube.size == len(values)
    found = [cube.at(index)["x"] for index in range(len(values))]
    assert [(type(value), value) for value in found] == [(type(value), value) for value in values]
    counts = drawn(one)
    if True not in values:
        assert all(abs(counts[value] - 6000 / len(values)) <= 1 for value in values)


@pytest.mark.parametrize("distribution", list(Distribution))
@pytest.mark.parametrize(("kind", "step"), [(INT, None), (INT, 2), (DOUBLE, 0.5)])
def test_end_values_have_their_full_share(
    kind: ParameterType, step: float | None, distribution: Distribution
) -> None:
    counts = drawn(ranged("x", kind, 1, 9, step, distribution))
    values = sorted(counts)
    assert values[0] == 1
    assert values[-1] == 9
    expected = [share(distribution, float(value), 1.0, 9.0, float(step or 1)) for value in values]
    total = sum(expected)
    for value, weight in zip(values, expected, strict=True):
        assert counts[value] == pytest.approx(6000 * weight / total, rel=0.05, abs=3)


def share(distribution: Distribution, value: float, low: float, high: float, step: float) -> float:
    """The weight of a stepped value: the law's mass between its neighbours' midpoints, mirrored at
    the ends."""
    logarithmic = distribution in (Distribution.LOG_UNIFORM, Distribution.LOG_NORMAL)
    scale = math.log if logarithmic else float
    here, below, above = scale(value), None, None
    if value - step >= low - 1e-9:
        below = (scale(value - step) + here) / 2
    if value + step <= high + 1e-9:
        above = (scale(value + step) + here) / 2
    below = 2 * here - above if below is None and above is not None else below
    above = 2 * here - below if above is None and below is not None else above
    assert below is not None
    assert above is not None
    if distribution in (Distribution.UNIFORM, Distribution.LOG_UNIFORM):
        return above - below
    mean, deviation = (scale(low) + scale(high)) / 2, (scale(high) - scale(low)) / 6
    return math.erf((above - mean) / deviation / math.sqrt(2)) - math.erf(
        (below - mean) / deviation / math.sqrt(2)
    )


@pytest.mark.parametrize(
    ("distribution", "quartiles"),
    [
        (Distribution.UNIFORM, (250.75, 500.5, 750.25)),
        (Distribution.LOG_UNIFORM, (5.62, 31.6, 177.8)),
        (Distribution.NORMAL, (388.9, 500.5, 612.1)),
        (Distribution.LOG_NORMAL, (14.6, 31.6, 68.5)),
    ],
)
def test_a_continuum_follows_its_distribution(
    distribution: Distribution, quartiles: tuple[float, ...]
) -> None:
    one = ranged("x", DOUBLE, 1, 1000, None, distribution)
    assert [float(decoded(one, u)) for u in (0.25, 0.5, 0.75)] == pytest.approx(quartiles, rel=0.01)
    assert decoded(one, 0) == pytest.approx(1)
    assert decoded(one, 1) == pytest.approx(1000)


@pytest.mark.parametrize("distribution", list(Distribution))
@pytest.mark.parametrize(
    "bounds", [(1e-320, 1e308), (1, 2.0**80), (1e-300, 2e-300), (1e307, 1.7e308)]
)
@pytest.mark.parametrize("step", [None, 1e-310, 1e300])
def test_extreme_ranges_stay_in_bounds(
    distribution: Distribution, bounds: tuple[float, float], step: float | None
) -> None:
    low, high = bounds
    one = ranged("x", DOUBLE, low, high, step, distribution)
    for u in (0.0, 1e-300, 0.3, 0.999999, 1.0):
        value = decoded(one, u)
        assert isinstance(value, float)
        assert low <= value <= high


def test_what_is_not_of_the_space_has_no_place() -> None:
    cube = Cube([ranged("x", INT, 1, 9, 2), listed("y", ParameterType.CATEGORICAL, ["a", "b"])])
    strangers: list[Assignment] = [
        {"x": 2, "y": "a"},
        {"x": 11, "y": "a"},
        {"x": 1, "y": "c"},
        {"x": 1},
        {"x": "one", "y": "a"},
    ]
    for stranger in strangers:
        assert cube.encode(stranger) is None
        assert cube.key(stranger) is None
    assert cube.key({"x": 3, "y": "b"}) == 1 + 5
