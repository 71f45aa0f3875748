"""What the Gaussian process promises: points of the space whatever was told, pure functions, and
learning."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.search.optimizers.gp.geometry import Array, Geometry, Mask, Side
from algorithms.search.optimizers.gp.history import History, warp
from algorithms.search.optimizers.gp.model import Hyper, prior
from algorithms.search.optimizers.gp.proposal import VIEWS, Proposer
from algorithms.search.optimizers.gp.surrogate import Surrogate, Surrogates, View, fit_count
from algorithms.space.encoding import Cube
from tests.algorithms.search.optimizers.gp.bowl import (
    GEOMETRY,
    START,
    bowl,
    continua,
    history_of,
    none,
    points_of,
    run,
)
from tests.algorithms.spaces import MIXED, spaces
from tests.tiers import tiered

FEW = settings(max_examples=tiered(25))


def believed(history: History, view: View = VIEWS[0]) -> Surrogate:
    return Surrogates(np.zeros(history.points.shape[1], dtype=bool)).of(history, np.ones(1), view)


# the space


@FEW
@given(spaces())
def test_snapped_points_decode_to_values_that_encode_to_them(parameters: tuple) -> None:  # type: ignore[type-arg]
    cube = Cube(parameters)
    geometry = Geometry.of(cube)
    for point, side in zip(points_of(geometry, 5), [geometry.sides] * 5, strict=True):
        encoded = cube.encode(cube.decode(point.tolist()))
        assert encoded is not None
        for u, v, one in zip(point, encoded, side, strict=True):
            assert one.levels is None or u == v


# losses


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_warped_losses_are_finite_and_in_order(losses: list[float]) -> None:
    warped = warp(np.array(losses))
    assert np.isfinite(warped).all()
    assert np.abs(warped).max() <= 6
    order = np.argsort(losses)
    assert np.all(np.diff(warped[order]) >= -1e-12)


# proposals


@st.composite
def odd_histories(draw: st.DrawFn) -> tuple[Geometry, History, Array, int]:
    """Spaces of all kinds; results with failures, duplicates, partial and extreme losses; points
    that run."""
    level = st.integers(1, 5).map(lambda k: tuple((i + 0.5) / k for i in range(k)))
    side = st.just(Side()) | st.builds(Side, level, st.booleans())
    geometry = Geometry(tuple(draw(st.lists(side, min_size=1, max_size=6))))
    count, width = draw(st.integers(0, 40)), draw(st.integers(1, 2))
    extreme = st.sampled_from([math.nan, 1e300, -1e300, 1e-300, 0.0, 1.0, 1.7e308]) | st.floats(
        -10, 10
    )
    losses = np.array(
        draw(st.lists(extreme, min_size=count * width, max_size=count * width))
    ).reshape(count, width)
    points = points_of(geometry, count, draw(st.integers(0, 5)))
    if count and draw(st.booleans()):
        points[:] = points[0]
    partial = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)), dtype=bool)
    violations = np.array(draw(st.lists(extreme, min_size=count, max_size=count))).reshape(count, 1)
    history = history_of(points, losses, partial, violations[:, : draw(st.integers(0, 1))])
    return (
        geometry,
        history,
        points_of(geometry, draw(st.integers(0, 5)), 7),
        draw(st.integers(0, 50)),
    )


@settings(max_examples=tiered(60))
@given(odd_histories())
def test_whatever_was_told_a_point_of_the_space_comes_back(
    case: tuple[Geometry, History, Array, int],
) -> None:
    geometry, history, pending, index = case
    point = Proposer(geometry, 3, START).propose(history, pending, index)
    assert point.shape == (len(geometry.sides),)
    assert np.all((point >= 0) & (point <= 1))
    assert np.array_equal(geometry.snap(point[None])[0], point)


@pytest.mark.parametrize("width", [1, 50, 300])
def test_spaces_from_narrow_to_very_wide_are_served(width: int) -> None:
    geometry = Geometry(
        (
            Side(tuple((i + 0.5) / 1000 for i in range(1000)), categorical=True),
            *(Side(),) * (width - 1),
        )
    )
    points = points_of(geometry, 30)
    point = Proposer(geometry, 1, START).propose(
        history_of(points, points.sum(axis=1)), none(geometry), 30
    )
    assert np.all((point >= 0) & (point <= 1))


def test_a_suggestion_is_a_function_of_what_is_known() -> None:
    proposer = Proposer(GEOMETRY, 5, START)
    history = run(proposer, GEOMETRY, 27)
    for index in (0, 9, 15, 23, 26):
        before = history_of(history.points[:index], history.losses[:index])
        assert np.array_equal(
            Proposer(GEOMETRY, 5, START).propose(before, none(GEOMETRY), index),
            history.points[index],
        )
    other = run(Proposer(GEOMETRY, 6, START), GEOMETRY, 3)
    assert not np.array_equal(other.points, history.points[:3])


def test_fits_are_kept_without_a_trace() -> None:
    """With two losses, a constraint and enough results for milestones, a fresh instance agrees with
    an old one."""
    geometry = continua(2)
    points = points_of(geometry, 34)
    losses = np.column_stack([points[:, 0], 1 - points[:, 0] + points[:, 1] ** 2])
    violations = np.exp(9 * points[:, 1:]) - 99
    old = Proposer(geometry, 5, START)
    for count in (12, 29, 30, 31, 32, 33):
        history = history_of(points, losses, None, violations).head(count)
        new = Proposer(geometry, 5, START)
        assert np.array_equal(
            old.propose(history, none(geometry), count), new.propose(history, none(geometry), count)
        )


def test_points_that_run_are_kept_away_from() -> None:
    proposer, pending = Proposer(GEOMETRY, 5, START), none(GEOMETRY)
    history = run(proposer, GEOMETRY, 15)
    for index in range(15, 27):
        pending = np.vstack([pending, proposer.propose(history, pending, index)])
    assert len({point.tobytes() for point in pending}) == 12


def test_processes_agree() -> None:
    program = (
        "from algorithms.search.optimizers.gp.proposal import Proposer; "
        "from tests.algorithms.search.optimizers.gp.bowl import GEOMETRY, START, run; "
        "print(run(Proposer(GEOMETRY, 2, START), GEOMETRY, 12).points.tobytes().hex())"
    )
    made = [subprocess.check_output([sys.executable, "-c", program], text=True) for _ in range(2)]
    assert made[0] == made[1]


def test_the_global_random_state_is_left_alone() -> None:
    state = np.random.get_state()[1].tobytes()  # type: ignore[index]
    run(Proposer(GEOMETRY, 2, START), GEOMETRY, 10)
    assert np.random.get_state()[1].tobytes() == state  # type: ignore[index]


def test_it_finds_the_bottom_of_a_mixed_bowl() -> None:
    history = run(Proposer(GEOMETRY, 1, START), GEOMETRY, 30)
    random = bowl(points_of(GEOMETRY, 400))
    assert history.losses.min() < 1e-3 < random.min()


def test_only_allowed_points_are_chosen() -> None:
    def allowed(points: Array) -> Mask:
        return np.asarray(points[:, 0] + points[:, 3] > 1.2)

    history = run(Proposer(GEOMETRY, 1, START, allowed), GEOMETRY, 30)
    assert allowed(history.points).all()
    assert history.losses.min() < 1.15 * 0.18


def test_a_far_view_sees_less_of_what_is_near_the_best() -> None:
    points = np.concatenate([np.linspace(0, 0.3, 30), np.linspace(0.9, 1, 10)])[:, None]
    history = history_of(
        points, np.concatenate([np.linspace(0, 0.01, 30), np.linspace(0.5, 1, 10)])
    )
    near, far = (believed(history, View(unit)).posterior.mean(points) for unit in (0.5, 0.9))
    assert np.ptp(far[:30]) / np.ptp(far) < np.ptp(near[:30]) / np.ptp(near) / 2


def test_suggestions_look_through_each_view_by_turns() -> None:
    seen: list[View] = []

    class Watched(Surrogates):
        def of(self, history: History, weights: Array, view: View) -> Surrogate:
            seen.append(view)
            return super().of(history, weights, view)

    geometry = continua(2)
    proposer, points = Proposer(geometry, 1, START), points_of(geometry, 12)
    proposer.surrogates = Watched(geometry.categorical)
    for index in range(6, 18):
        proposer.propose(history_of(points, points[:, 0]), none(geometry), index)
    assert seen == [*VIEWS, *VIEWS]


def test_a_view_may_believe_the_prior() -> None:
    points = points_of(continua(2), 12)
    history = history_of(points, points[:, 0])
    likeliest = Hyper.of(prior(2)[0])
    assert believed(history, View(0.5, fitted=False)).posterior.hyper.theta == pytest.approx(
        likeliest.theta
    )
    assert believed(history).posterior.hyper.theta != pytest.approx(likeliest.theta, abs=0.1)


def test_failures_are_worse_than_the_worst() -> None:
    points = np.linspace(0, 1, 20)[:, None]
    losses = np.where(points[:, 0] > 0.5, math.nan, 1 - points[:, 0])
    surrogate = believed(history_of(points, losses))
    failed = np.isnan(losses)
    means = surrogate.posterior.mean(points)
    assert means[failed].min() > means[~failed].max() - 0.2
    assert surrogate.best == pytest.approx(means[~failed].min())


def test_partial_results_are_no_better_than_finished_ones_let_expect() -> None:
    points = np.linspace(0, 1, 21)[:, None]
    losses = (points[:, 0] - 0.25) ** 2
    partial = points[:, 0] > 0.6
    losses[partial] = 0.1  # stopped early: what they would have come to is worse, as the trend says
    told = believed(history_of(points, losses, partial)).posterior
    untold = believed(history_of(points, losses)).posterior
    assert np.all(told.mean(points[partial]) > untold.mean(points[partial]))


def test_an_outcome_constraint_is_kept() -> None:
    geometry = continua(2)
    history = history_of(none(geometry), np.zeros(0))
    for index in range(24):
        point = Proposer(geometry, 4, START).propose(history, none(geometry), index)
        points = np.vstack([history.points, point])
        history = history_of(points, points.sum(axis=1), violations=(0.8 - points[:, :1]))
    feasible = history.violations[:, 0] <= 0
    assert feasible[12:].mean() > 0.4
    assert history.losses[feasible].min() < 0.85


def test_several_losses_are_traded() -> None:
    geometry = continua(2)
    history = history_of(none(geometry), np.zeros((0, 2)))
    history = History(
        history.points, np.zeros((0, 2)), history.partial, np.zeros((0, 0)), history.earlier
    )
    for index in range(28):
        point = Proposer(geometry, 4, START).propose(history, none(geometry), index)
        points = np.vstack([history.points, point])
        history = history_of(
            points,
            np.column_stack(
                [points[:, 0] ** 2 + points[:, 1], (points[:, 0] - 1) ** 2 + points[:, 1]]
            ),
        )
    late = history.points[12:]
    assert late[:, 1].mean() < 0.2
    assert late[:, 0].min() < 0.3
    assert late[:, 0].max() > 0.7


def test_noise_does_not_choose_the_incumbent() -> None:
    points = np.repeat(np.linspace(0, 1, 11), 4)[:, None]
    noise = np.random.default_rng(3).standard_normal(44)
    losses = (points[:, 0] - 0.5) ** 2 + 0.02 * noise
    losses[40] = -0.2  # a lucky result at the edge
    centre = believed(history_of(points, losses)).centres[0]
    assert abs(centre[0] - 0.5) < 0.25


@given(st.integers(0, 3000))
def test_milestones_grow_and_lag_little(count: int) -> None:
    assert 0 <= count - fit_count(count) <= count / 5
    assert fit_count(count) <= fit_count(count + 1)


@pytest.mark.parametrize("parameters", [MIXED])
def test_the_cube_of_an_experiment_is_understood(parameters: tuple) -> None:  # type: ignore[type-arg]
    geometry = Geometry.of(Cube(parameters))
    assert [side.levels is None for side in geometry.sides] == [True, False, False, False, False]
    assert geometry.categorical.tolist() == [False] * 4 + [True]
