"""What the model of the Gaussian process and its acquisition promise: exact derivatives, beliefs,
and learning."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from algorithms.search.optimizers.gp.acquisition import Acquisition, Constraint, log_improvement
from algorithms.search.optimizers.gp.geometry import Array, Geometry
from algorithms.search.optimizers.gp.history import warp
from algorithms.search.optimizers.gp.model import Hyper, Posterior, fit
from tests.algorithms.search.optimizers.gp.bowl import GEOMETRY, bowl, continua, points_of


def model(geometry: Geometry, count: int = 20) -> Posterior:
    points = points_of(geometry, count)
    hyper = Hyper(np.array([4.0, 1.0, 0.5, 2.0]), 1.5, 1e-3, 0.7)
    return Posterior(hyper, geometry.categorical, points, bowl(points), np.zeros(count))


def test_derivatives_agree_with_differences() -> None:
    sides, points, step = np.array([0, 1, 3]), points_of(GEOMETRY, 6, 9), 1e-6
    limit = Constraint(model(GEOMETRY, 12), 0.2)
    acquisition = Acquisition(model(GEOMETRY).given(points_of(GEOMETRY, 3, 5)), 0.1, (limit,))
    value, slopes = acquisition.gradients(points, sides)
    assert value == pytest.approx(acquisition(points))
    for column, side in enumerate(sides):
        above, below = points.copy(), points.copy()
        above[:, side] += step
        below[:, side] -= step
        assert slopes[:, column] == pytest.approx(
            (acquisition(above) - acquisition(below)) / (2 * step), rel=1e-4
        )


def test_believed_points_change_no_mean_and_are_known() -> None:
    posterior, pending, elsewhere = (
        model(GEOMETRY),
        points_of(GEOMETRY, 4, 1),
        points_of(GEOMETRY, 9, 2),
    )
    believed = posterior.given(pending)
    everything = np.vstack([posterior.points, pending])
    values = np.concatenate([bowl(posterior.points), posterior.mean(pending)])
    again = Posterior(
        posterior.hyper, GEOMETRY.categorical, everything, values, np.zeros(len(everything))
    )
    for one, other in zip(believed.predict(elsewhere), again.predict(elsewhere), strict=True):
        assert one == pytest.approx(other, abs=1e-5)
    assert believed.predict(elsewhere)[0] == pytest.approx(posterior.predict(elsewhere)[0])
    assert np.all(believed.predict(pending)[1] < 0.1)


def test_the_fit_finds_what_matters_and_the_noise() -> None:
    geometry = continua(3)
    points = points_of(geometry, 60)
    noise = np.random.default_rng(1).standard_normal(60)
    values = warp(np.sin(6 * points[:, 1]) + 0.3 * noise)
    hyper = fit(points, values, np.zeros(60), geometry.categorical)
    assert hyper.weights[1] > 10 * max(hyper.weights[0], hyper.weights[2])
    assert 0.02 < hyper.noise < 0.5
    quiet = fit(points, warp(np.sin(6 * points[:, 1])), np.zeros(60), geometry.categorical)
    assert quiet.noise < 1e-3


def test_a_parabola_along_each_of_many_sides_is_known_from_few_results() -> None:
    geometry, targets = continua(12), np.linspace(0.1, 0.9, 12)
    points, elsewhere = points_of(geometry, 40), points_of(geometry, 300, 1)
    values, true = (np.square(some - targets).sum(axis=1) for some in (points, elsewhere))
    values = (values - values.mean()) / values.std()
    hyper = fit(points, values, np.zeros(40), geometry.categorical)
    means = Posterior(hyper, geometry.categorical, points, values, np.zeros(40)).mean(elsewhere)
    assert np.corrcoef(means, true)[0, 1] > 0.97


def test_choices_have_no_order() -> None:
    order = np.array([1 / 6, 0.5, 5 / 6])[[2, 0, 1]]
    posterior, elsewhere = model(GEOMETRY), points_of(GEOMETRY, 9, 2)

    def renamed(points: Array) -> Array:
        points = points.copy()
        points[:, 2] = order[np.floor(points[:, 2] * 3).astype(int)]
        return points

    values = bowl(posterior.points)
    fits = [
        fit(p, values, np.zeros(20), GEOMETRY.categorical)
        for p in (posterior.points, renamed(posterior.points))
    ]
    assert fits[0].weights == pytest.approx(fits[1].weights, rel=1e-3)
    other = Posterior(
        posterior.hyper, GEOMETRY.categorical, renamed(posterior.points), values, np.zeros(20)
    )
    assert other.predict(renamed(elsewhere))[0] == pytest.approx(posterior.predict(elsewhere)[0])


# the acquisition


@pytest.mark.parametrize("z", [-5.0, -1.01, -0.99, 0.0, 3.0])
def test_the_improvement_is_the_integral(z: float) -> None:
    mean, deviation, best = 1.0, 0.5, 1.0 + 0.5 * z
    expected = quad(
        lambda y: (best - y) * math.exp(-(((y - mean) / deviation) ** 2) / 2), best - 20, best
    )[0]
    value = log_improvement(np.array([mean]), np.array([deviation]), best)[0][0]
    assert value == pytest.approx(
        math.log(expected / (deviation * math.sqrt(2 * math.pi))), abs=1e-6
    )


def test_the_improvement_keeps_its_order_far_out() -> None:
    values, by_mean, by_deviation = log_improvement(np.logspace(0, 6, 300), np.ones(300), 0.0)
    assert np.all(np.diff(values) < 0)
    assert np.isfinite(by_mean).all()
    assert np.isfinite(by_deviation).all()
    z = np.array([990.0, 1010.0, 1e4])
    limit = -0.5 * z**2 - 0.5 * math.log(2 * math.pi) - 2 * np.log(z)
    assert log_improvement(z, np.ones(3), 0.0)[0] == pytest.approx(limit, abs=1e-4)
