"""Small real trainings of scikit-learn on the data that it brings along, tabulated once and
interpolated by trees.

`python -m benchmarks.quality.trainings` trains each model at random configurations on several
splits of its data and writes the losses down in `trainings/`. A problem fits extremely randomised
trees (Geurts et al. 2006) to their means; noise is normal, as large as the splits differ, their
means set aside.
"""

import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from algorithms.search.shell.novelty import uniform
from algorithms.space.encoding import Cube
from benchmarks.quality.problem import Function, categorical, double, fraction, integer, noisy
from events.spec.space import Assignment, Parameter

FOLDER = Path(__file__).with_name("trainings")
CONFIGURATIONS, SPLITS, TREES, LEAF = 500, 2, 40, 3


@dataclass(frozen=True, slots=True)
class Training:
    """Parameters, the data's loader in `sklearn.datasets`, and how an estimator is made of an
    assignment."""

    parameters: tuple[Parameter, ...]
    data: str
    estimator: Callable[[Assignment, int], Any]


def _svm(found: Assignment, seed: int) -> Any:
    from sklearn.svm import SVC

    return SVC(
        C=found["cost"], gamma=found["gamma"], kernel=found["kernel"], degree=found["degree"],
        coef0=found["offset"],
        shrinking=found["shrinking"] == "yes", max_iter=20_000,
    )  # fmt: skip


def _boosting(found: Assignment, seed: int) -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(
        learning_rate=found["rate"], n_estimators=found["rounds"], max_depth=found["depth"],
        subsample=found["rows"],
        max_features=found["columns"], min_samples_leaf=found["leaf"], loss=found["loss"],
        random_state=seed,
    )  # fmt: skip


def _descent(found: Assignment, seed: int) -> Any:
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    linear = SGDClassifier(
        loss=found["loss"], penalty=found["penalty"], alpha=found["alpha"], l1_ratio=found["mix"],
        learning_rate=found["schedule"], eta0=found["rate"], power_t=found["power"],
        max_iter=found["epochs"],
        average=found["average"] == "yes", tol=None, random_state=seed,
    )  # fmt: skip
    return make_pipeline(StandardScaler(), linear)


def _neighbours(found: Assignment, seed: int) -> Any:
    from sklearn.decomposition import PCA
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    scaler = StandardScaler() if found["scaler"] == "standard" else MinMaxScaler()
    components = PCA(found["components"], whiten=found["whiten"] == "yes", random_state=seed)
    near = KNeighborsClassifier(found["near"], weights=found["weights"], p=found["power"])
    return make_pipeline(scaler, components, near)


TRAININGS = {
    "svm-digits": Training(
        (
            double("cost", 1e-3, 1e4, log=True), double("gamma", 1e-7, 1e1, log=True),
            categorical("kernel", "rbf", "poly", "sigmoid", "linear"), integer("degree", 2, 6),
            double("offset", 0.0, 2.0), categorical("shrinking", "yes", "no"),
        ), "load_digits", _svm,
    ),
    "boosting-diabetes": Training(
        (
            double("rate", 1e-3, 1.0, log=True), integer("rounds", 5, 300, log=True),
            integer("depth", 1, 8),
            double("rows", 0.2, 1.0), double("columns", 0.1, 1.0), integer("leaf", 1, 60, log=True),
            categorical("loss", "squared_error", "absolute_error", "huber"),
        ), "load_diabetes", _boosting,
    ),
    "descent-digits": Training(
        (
            categorical("loss", "hinge", "log_loss", "modified_huber", "perceptron"),
            categorical("penalty", "l2", "l1", "elasticnet"), double("alpha", 1e-8, 1e0, log=True),
            double("mix", 0.0, 1.0), categorical("schedule", "constant", "optimal", "invscaling"),
            double("rate", 1e-5, 1e1, log=True), double("power", 0.05, 0.95),
            integer("epochs", 1, 60, log=True),
            categorical("average", "no", "yes"),
        ), "load_digits", _descent,
    ),
    "neighbours-cancer": Training(
        (
            categorical("scaler", "standard", "range"), integer("components", 1, 30),
            categorical("whiten", "no", "yes"), integer("near", 1, 60, log=True),
            categorical("weights", "uniform", "distance"), double("power", 1.0, 4.0),
        ), "load_breast_cancer", _neighbours,
    ),
}  # fmt: skip


def interpolated(name: str) -> Function:
    """The problem of a training: its trees, fitted now."""
    training = TRAININGS[name]
    table = json.loads((FOLDER / f"{name}.json").read_text())
    points = np.array([row["point"] for row in table["rows"]])
    losses = np.array([row["losses"] for row in table["rows"]])
    walks = _fitted(points, losses.mean(axis=1))
    parameters = training.parameters

    def true(assignment: Assignment) -> float:
        point = [fraction(parameter, assignment[parameter.name]) for parameter in parameters]
        return sum(_reached(walk, point) for walk in walks) / len(walks)

    apart = losses - losses.mean(
        axis=0
    )  # that one split is harder for all is no noise between trials
    return noisy(parameters, true, float(apart.std(axis=1, ddof=1).mean()))


Walk = tuple[list[int], list[int], list[int], list[float], list[float]]
"""A tree as scikit-learn keeps it: left and right children, features, thresholds and values of its
nodes."""


def _fitted(points: Any, losses: Any) -> list[Walk]:
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(TREES, min_samples_leaf=LEAF, random_state=0).fit(points, losses)
    trees = [estimator.tree_ for estimator in forest.estimators_]
    return [
        (
            tree.children_left.tolist(), tree.children_right.tolist(), tree.feature.tolist(),
            tree.threshold.tolist(),
            tree.value[:, 0, 0].tolist(),
        )
        for tree in trees
    ]  # fmt: skip


def _reached(walk: Walk, point: list[float]) -> float:
    """The value of the leaf where `point` ends."""
    left, right, feature, threshold, value = walk
    node = 0
    while left[node] >= 0:
        node = left[node] if point[feature[node]] <= threshold[node] else right[node]
    return value[node]


def tabulate(name: str) -> None:
    """Train `name` at all its configurations; minutes."""
    training, cube = TRAININGS[name], Cube(TRAININGS[name].parameters)
    rows = []
    for index in range(CONFIGURATIONS):
        assignment = cube.decode(uniform(f"{name}/{index}", cube.width))
        point = [
            fraction(parameter, assignment[parameter.name]) for parameter in training.parameters
        ]
        losses = [_loss(training, assignment, seed) for seed in range(SPLITS)]
        rows.append(
            {"point": [round(u, 5) for u in point], "losses": [round(loss, 5) for loss in losses]}
        )
    FOLDER.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(row) for row in rows)
    (FOLDER / f"{name}.json").write_text(f'{{"rows": [\n{lines}\n]}}\n')


def _loss(training: Training, assignment: Assignment, seed: int) -> float:
    """1 - accuracy, or 1 - R², at least 0 and at most 1, on the half that was not trained on."""
    inputs, unseen, targets, answers = _split(training.data, seed)
    fitted = training.estimator(assignment, seed).fit(inputs, targets)
    return float(min(max(1 - fitted.score(unseen, answers), 0.0), 1.0))


@cache
def _split(data: str, seed: int) -> Any:
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    inputs, targets = getattr(datasets, data)(return_X_y=True)
    return train_test_split(inputs, targets, test_size=0.5, random_state=seed)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for chosen in sys.argv[1:] or TRAININGS:
        tabulate(chosen)
