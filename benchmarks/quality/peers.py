"""The field as contenders: Optuna, Hyperopt, scikit-optimize and Nevergrad, each used as its
documentation says.

All get the same space in their own words: logarithmic where ours is, and lists of numbers as whole
numbers that count their places, so that their order is known. Each is told of every result at once
and asked for one trial at a time.
"""

import math
from collections.abc import Callable
from typing import Any

from benchmarks.quality.problem import logarithmic
from benchmarks.quality.simulation import Task
from events.spec.space import Assignment, Parameter, ParameterType, Scalar


def last_place(parameter: Parameter) -> int:
    return len(parameter.space.list) - 1


def value_of(parameter: Parameter, found: Any) -> Scalar:
    """A number or word of a peer as a feasible value; of a list it is the place."""
    if parameter.type in (ParameterType.DISCRETE, ParameterType.CATEGORICAL):
        return parameter.space.list[int(found)]
    held = min(max(float(found), parameter.low), parameter.high)
    return round(held) if parameter.type is ParameterType.INT else held


class Optuna:
    """A sampler behind `study.ask` and `study.tell`."""

    def __init__(self, sampler: Any, task: Task) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._task, self._trials = task, list[Any]()
        self._space = {
            parameter.name: _optuna_distribution(parameter) for parameter in task.parameters
        }
        self._study = optuna.create_study(sampler=sampler)

    def ask(self) -> Assignment:
        trial = self._study.ask(self._space)
        self._trials.append(trial)
        return {
            parameter.name: value_of(parameter, trial.params[parameter.name])
            for parameter in self._task.parameters
        }

    def tell(self, trial: int, loss: float) -> None:
        self._study.tell(self._trials[trial - 1], loss)


def _optuna_distribution(parameter: Parameter) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match parameter.type:
        case ParameterType.CATEGORICAL:
            return CategoricalDistribution(range(last_place(parameter) + 1))
        case ParameterType.DISCRETE:
            return IntDistribution(0, last_place(parameter))
        case ParameterType.INT:
            return IntDistribution(
                int(parameter.low), int(parameter.high), log=logarithmic(parameter)
            )
        case ParameterType.DOUBLE:
            return FloatDistribution(parameter.low, parameter.high, log=logarithmic(parameter))


def optuna_tpe(task: Task) -> Optuna:
    return Optuna(_tpe(task, multivariate=False), task)


def optuna_mtpe(task: Task) -> Optuna:
    return Optuna(_tpe(task, multivariate=True), task)


def _tpe(task: Task, *, multivariate: bool) -> Any:
    """Optuna's TPE, with the constant liar where several trials run, as Optuna advises."""
    from optuna.samplers import TPESampler

    return TPESampler(seed=task.seed, multivariate=multivariate, constant_liar=task.workers > 1)


def optuna_gp(task: Task) -> Optuna:
    import torch
    from optuna.samplers import GPSampler

    torch.set_num_threads(1)
    return Optuna(GPSampler(seed=task.seed), task)


class HyperoptTpe:
    """`hyperopt.tpe.suggest` over a Trials object, as its asynchronous back ends use it."""

    def __init__(self, task: Task) -> None:
        import hyperopt
        import numpy as np

        self._hyperopt, self._task = hyperopt, task
        space = {parameter.name: _hyperopt_node(parameter) for parameter in task.parameters}
        self._domain = hyperopt.base.Domain(lambda assignment: 0.0, space)
        self._trials, self._random = hyperopt.Trials(), np.random.default_rng(task.seed)
        self._asked = list[Any]()

    def ask(self) -> Assignment:
        seed = int(self._random.integers(2**31 - 1))
        [document] = self._hyperopt.tpe.suggest(
            self._trials.new_trial_ids(1), self._domain, self._trials, seed
        )
        document["state"] = self._hyperopt.JOB_STATE_RUNNING
        self._trials.insert_trial_doc(document)
        self._trials.refresh()
        self._asked.append(self._trials._dynamic_trials[-1])
        found = {name: numbers[0] for name, numbers in document["misc"]["vals"].items()}
        return {
            parameter.name: value_of(parameter, found[parameter.name])
            for parameter in self._task.parameters
        }

    def tell(self, trial: int, loss: float) -> None:
        document = self._asked[trial - 1]
        document["result"] = {"status": self._hyperopt.STATUS_OK, "loss": loss}
        document["state"] = self._hyperopt.JOB_STATE_DONE
        self._trials.refresh()


def _hyperopt_node(parameter: Parameter) -> Any:
    from hyperopt import hp

    name = parameter.name
    match parameter.type:
        case ParameterType.CATEGORICAL:
            return hp.choice(name, list(range(last_place(parameter) + 1)))
        case ParameterType.DISCRETE:
            return hp.quniform(name, -0.5, last_place(parameter) + 0.5, 1)
        case ParameterType.INT if logarithmic(parameter):
            return hp.qloguniform(
                name, math.log(parameter.low - 0.5), math.log(parameter.high + 0.5), 1
            )
        case ParameterType.INT:
            return hp.quniform(name, parameter.low - 0.5, parameter.high + 0.5, 1)
        case ParameterType.DOUBLE if logarithmic(parameter):
            return hp.loguniform(name, math.log(parameter.low), math.log(parameter.high))
        case ParameterType.DOUBLE:
            return hp.uniform(name, parameter.low, parameter.high)


class Skopt:
    """`skopt.Optimizer` with the settings that Katib gives it for `bayesianoptimization`."""

    def __init__(self, task: Task) -> None:
        import skopt

        self._task, self._points = task, list[Any]()
        self._optimizer = skopt.Optimizer(
            [_skopt_dimension(parameter) for parameter in task.parameters],
            base_estimator="GP", n_initial_points=10, acq_func="gp_hedge", acq_optimizer="auto",
            random_state=task.seed,
        )  # fmt: skip

    def ask(self) -> Assignment:
        point = self._optimizer.ask()
        self._points.append(point)
        return {
            one.name: value_of(one, found)
            for one, found in zip(self._task.parameters, point, strict=True)
        }

    def tell(self, trial: int, loss: float) -> None:
        self._optimizer.tell(self._points[trial - 1], loss)


def _skopt_dimension(parameter: Parameter) -> Any:
    from skopt.space import Categorical, Integer, Real

    prior = "log-uniform" if logarithmic(parameter) else "uniform"
    match parameter.type:
        case ParameterType.CATEGORICAL:
            return Categorical(list(range(last_place(parameter) + 1)))
        case ParameterType.DISCRETE:
            return Integer(0, last_place(parameter))
        case ParameterType.INT:
            return Integer(int(parameter.low), int(parameter.high), prior=prior)
        case ParameterType.DOUBLE:
            return Real(parameter.low, parameter.high, prior=prior)


class NGOpt:
    """Nevergrad's own choice over its own parameters, as its documentation shows."""

    def __init__(self, task: Task) -> None:
        import nevergrad as ng
        import numpy as np

        self._task, self._candidates = task, list[Any]()
        space = ng.p.Dict(
            **{parameter.name: _nevergrad_parameter(parameter) for parameter in task.parameters}
        )
        space.random_state.seed(task.seed)
        np.random.seed(task.seed)
        # with one worker it may wait for a result before it suggests anything
        self._optimizer = ng.optimizers.NGOpt(
            space, budget=task.trials, num_workers=max(2, task.workers)
        )

    def ask(self) -> Assignment:
        candidate = self._optimizer.ask()
        self._candidates.append(candidate)
        return {one.name: value_of(one, candidate.value[one.name]) for one in self._task.parameters}

    def tell(self, trial: int, loss: float) -> None:
        self._optimizer.tell(self._candidates[trial - 1], loss)


def _nevergrad_parameter(parameter: Parameter) -> Any:
    import nevergrad as ng

    match parameter.type:
        case ParameterType.CATEGORICAL:
            return ng.p.Choice(range(last_place(parameter) + 1))
        case ParameterType.DISCRETE:
            return ng.p.TransitionChoice(range(last_place(parameter) + 1))
        case _:
            bounds = {"lower": parameter.low, "upper": parameter.high}
            number = ng.p.Log(**bounds) if logarithmic(parameter) else ng.p.Scalar(**bounds)
            return number.set_integer_casting() if parameter.type is ParameterType.INT else number


PEERS: dict[str, tuple[Callable[[Task], Any], tuple[str, ...]]] = {
    "optuna.tpe": (optuna_tpe, ("optuna",)),
    "optuna.mtpe": (optuna_mtpe, ("optuna",)),
    "optuna.gp": (optuna_gp, ("optuna", "torch")),
    "hyperopt.tpe": (HyperoptTpe, ("hyperopt",)),
    "skopt.gp": (Skopt, ("skopt",)),
    "nevergrad.ngopt": (NGOpt, ("nevergrad",)),
}
"""The contenders' names, how they are made, and the modules that they need."""
