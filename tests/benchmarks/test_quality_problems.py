"""The problems of the benchmark `quality` have the optimum that they claim, away from the centre,
in two even halves.

Those of tables are left out: their package is for benchmarks only.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from algorithms.search.shell.novelty import uniform
from algorithms.space.encoding import Cube
from benchmarks.quality import synthetic
from benchmarks.quality.command import TABLES
from benchmarks.quality.problem import Half, Kind, Problem
from benchmarks.quality.problems import ROWS, SCALES, Row, problem
from events.spec.space import Assignment, Scalar

OURS = [row for row in ROWS if row.kind not in TABLES]
TARGETS: Mapping[str, Assignment] = {
    "network8": {
        "rate": 1e-3, "decay": 3e-5, "dropout": 0.15, "momentum": 0.1, "layers": 2, "units": 400,
        "activation": "gelu", "optimizer": "adam",
    },
    "boosting10": {
        "rate": 1e-3 * 1000 ** (1.4 - math.log(70) / math.log(200)), "rounds": 700, "depth": 5,
        "leaves": 40,
        "rows": 0.85, "columns": 0.6, "alpha": 1e-2, "ridge": 2.0, "booster": "tree",
        "policy": "loss",
    },
    "ordinal6": {"o0": 64, "o1": 0.1, "o2": 2, "o3": 512, "o4": 16, "o5": 0.1},
    "diverging5": {
        "rate": 10 ** (-6 + 7 * 0.58), "momentum": 0.0, "c0": 10**-3.4, "c1": 10**-1.12,
        "c2": 10**-3.24,
    },
    "integers5": {"n0": 3, "n1": 126, "n2": 15, "n3": 556, "n4": 3},
    "optimizer8": {
        "optimizer": "adam", "rate": 6e-4, "beta1": 0.08, "beta2": 2e-3, "epsilon": 1e-8,
        "momentum": 0.3,
        "nesterov": "no", "rho": 0.7,
    },
    "model10": {
        "model": "svm", "kernel": "rbf", "cost": 30.0, "gamma": 4e-3, "trees": 11, "share": 0.9,
        "near": 2,
        "weights": "uniform", "rate": 1e-3, "depth": 9,
    },
    "schedule9": {
        "schedule": "cosine", "rate": 5e-2, "batch": 64, "factor": 0.9, "every": 3, "warmup": 4,
        "restarts": 2,
        "augment": "both", "strength": 0.7,
    },
    "layers12": {
        "layers": 3, "rate": 2e-3, "units1": 256, "units2": 128, "units3": 48, "units4": 500,
        "units5": 500,
        "dropout1": 0.1, "dropout2": 0.25, "dropout3": 0.4, "dropout4": 0.6, "dropout5": 0.6,
    },
}  # fmt: skip
OPTIMA = {
    "branin2": (math.pi + 5, 2.275), "camel2": (0.0898 + 1.2, -0.7126 + 1.2),
    "hartmann3": (0.114614, 0.555649, 0.852547),
    "hartmann6": (0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573),
    "styblinski8": (2.096466,) * 8,
    "michalewicz5": (2.202906, 1.570796, 1.284992, 1.923058, 1.720470),
}  # fmt: skip
SIDES = {"branin2": 15.0, "camel2": (4.0, 3.0), "styblinski8": 10.0, "michalewicz5": math.pi}
MOVED = {"rosenbrock10": 10, "ellipsoid8": 8, "levy10": 10, "ackley20": 20}


def some(subject: Problem, count: int) -> list[dict[str, Scalar]]:
    cube = Cube(subject.parameters)
    return [cube.decode(uniform(f"{subject.name}/{index}", cube.width)) for index in range(count)]


def at(point: Any) -> Assignment:
    return {f"x{index}": float(u) for index, u in enumerate(point, 1)}


def test_there_are_enough_in_even_halves_of_each_kind() -> None:
    assert len(ROWS) >= 24
    assert len({row.name for row in ROWS}) == len(ROWS)
    counts = Counter((row.kind, row.half) for row in ROWS)
    assert all(counts[kind, Half.TUNING] >= counts[kind, Half.REPORTING] > 0 for kind in Kind)


def test_each_has_a_scale() -> None:
    scales = json.loads(SCALES.read_text())
    assert scales.keys() == {row.name for row in ROWS}
    assert all(scale["best"] < scale["median"] for scale in scales.values())


@pytest.mark.parametrize("row", OURS, ids=lambda row: row.name)
def test_nothing_is_better_than_the_best_and_half_is_better_than_the_median(row: Row) -> None:
    subject = problem(row.name)
    found = [subject.true(point) for point in some(subject, 200)]
    assert min(found) >= subject.best - 1e-9
    assert 0.35 < np.mean([loss < subject.median for loss in found]) < 0.65


@pytest.mark.parametrize("row", OURS, ids=lambda row: row.name)
def test_a_loss_follows_from_assignment_and_seed_and_is_true_on_average(row: Row) -> None:
    subject = problem(row.name)
    [point] = some(subject, 1)
    shown = [subject.observed(point, seed) for seed in range(200)]
    assert shown == [subject.observed(dict(point), seed) for seed in range(200)]
    assert np.mean(shown) == pytest.approx(
        subject.true(point), abs=5 * np.std(shown) / 200**0.5 + 1e-12
    )


@pytest.mark.parametrize("name", TARGETS)
def test_the_target_has_the_best_loss_whatever_inert_parameters_are(name: str) -> None:
    subject = problem(name)
    assert {parameter.name for parameter in subject.parameters} == TARGETS[name].keys()
    assert subject.true(TARGETS[name]) == pytest.approx(subject.best, abs=1e-9)


@pytest.mark.parametrize("name", OPTIMA)
def test_known_optima_have_the_best_loss(name: str) -> None:
    subject = problem(name)
    point = np.array(OPTIMA[name]) / np.array(SIDES.get(name, 1.0))
    assert subject.true(at(point)) == pytest.approx(subject.best, abs=1e-4)


@pytest.mark.parametrize(("name", "width"), MOVED.items())
def test_moved_optima_have_the_best_loss(name: str, width: int) -> None:
    point = synthetic.optimum(name.rstrip("0123456789"), width)
    assert problem(name).true(at(point)) == pytest.approx(problem(name).best, abs=1e-9)
    assert (abs(point - 0.5) >= synthetic.CENTRE_MARGIN).all()


@pytest.mark.parametrize("row", OURS, ids=lambda row: row.name)
def test_the_centre_is_not_favoured(row: Row) -> None:
    subject, cube = problem(row.name), Cube(problem(row.name).parameters)
    assert subject.regret(subject.true(cube.decode([0.5] * cube.width))) > 0.12


def test_regret_is_0_at_the_best_and_1_at_the_median_and_has_an_end() -> None:
    subject = problem("branin2")
    middle = (subject.best + subject.median) / 2
    shown = [
        subject.regret(loss)
        for loss in (subject.best - 1, subject.best, middle, subject.median, 1e9)
    ]
    assert shown == pytest.approx([0, 0, 0.5, 1, 1.5])
