"""Search spaces and experiments for the tests of the algorithms."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from algorithms.conformance.spaces import DOUBLE as DOUBLE
from algorithms.conformance.spaces import INT as INT
from algorithms.conformance.spaces import feasible as feasible
from algorithms.conformance.spaces import listed as listed
from algorithms.conformance.spaces import ranged as ranged
from algorithms.search import ALGORITHMS
from algorithms.search.optimizers.portfolio import NevergradName
from algorithms.search.outcome import FAILED, Outcome
from algorithms.space.dimension import dimension
from events.spec.algorithm import AlgorithmSpec, Setting
from events.spec.experiment import ExperimentSpec
from events.spec.objective import Direction, Objective
from events.spec.space import Condition, Distribution, Parameter, ParameterType, Scalar
from tests.tiers import rest_is_long

NUMERIC = (DOUBLE, INT)
PLAIN = [
    name
    for name, one in ALGORITHMS.items()
    if name not in ("nevergrad", "auto", "bayesianoptimization") and one.extra is None
]
"""Algorithms by name, without those that are others in the beginning, and Nevergrad, whose
optimizers are many."""

OPTIMIZERS = tuple(optimizer.value for optimizer in NevergradName)
FAMILIES = frozenset({"auto", "OnePlusOne", "CMA", "TwoPointsDE", "PSO"})
"""Of Nevergrad's optimizers one of each kind; the long tier examines their relatives, too."""


def of_each_family(names: Iterable[str]) -> list[Any]:
    """Parameters for `parametrize`: Nevergrad's optimizers that are relatives of another are left
    to the long tier."""
    return rest_is_long(names, lambda name: name in FAMILIES or name not in OPTIMIZERS)


MODELS = ("gp", "tpe", "multivariate-tpe", "optuna.tpe", "optuna.cmaes")
"""They take seconds for a hundred suggestions and more."""


def without_models(names: Iterable[str]) -> list[Any]:
    """As `of_each_family`, and algorithms that take seconds are left to the long tier, too."""
    return rest_is_long(names, lambda name: name in FAMILIES or name not in (*MODELS, *OPTIMIZERS))


def algorithm_spec(name: str, settings: Mapping[str, Scalar]) -> AlgorithmSpec:
    listed_settings = tuple(Setting(name=key, value=value) for key, value in settings.items())
    return AlgorithmSpec(algorithm_name=name, algorithm_settings=listed_settings)


def experiment(
    parameters: Sequence[Parameter],
    algorithm: str | None = None,
    settings: Mapping[str, Scalar] | None = None,
    trials: int | None = 50,
    parallel: int = 3,
    constraints: Sequence[str] = (),
) -> ExperimentSpec:
    return ExperimentSpec(
        parameters=tuple(parameters),
        constraints=tuple(constraints),
        objective=Objective(type=Direction.MINIMIZE, objectiveMetricName="loss"),
        algorithm=algorithm_spec(algorithm, settings or {}) if algorithm else None,
        max_trial_count=trials,
        parallel_trial_count=parallel,
    )


MIXED = (
    ranged("lr", DOUBLE, 1e-4, 1.0, distribution=Distribution.LOG_UNIFORM),
    ranged("momentum", DOUBLE, 0.1, 0.9, 0.1),
    ranged("layers", INT, 1, 5, distribution=Distribution.NORMAL),
    listed("batch", ParameterType.DISCRETE, ["32", "8", "128"]),
    listed("optimizer", ParameterType.CATEGORICAL, ["sgd", "adam", True]),
)
GRIDDED = MIXED[1:]
"""The same without the continuum."""
SMALL = (
    ranged("width", INT, 1, 7, 3, Distribution.LOG_UNIFORM),
    ranged("rate", DOUBLE, 0.1, 0.3, 0.1, Distribution.LOG_NORMAL),
    listed("kind", ParameterType.CATEGORICAL, ["a", "b"]),
)
"""3 · 3 · 2 = 18 points."""


def under(parameter: Parameter, parent: str, **test: object) -> Parameter:
    """`parameter`, which exists only where `parent` meets the test: `equals=…`, `range=…` or
    `in_=…`."""
    return parameter.model_copy(
        update={"condition": Condition.model_validate({"parameter": parent, **test})}
    )


TREE = (
    under(ranged("momentum", DOUBLE, 0, 1, 0.25), "optimizer", in_=("sgd", "rmsprop")),
    listed("optimizer", ParameterType.CATEGORICAL, ["sgd", "adam", "rmsprop"]),
    under(listed("nesterov", ParameterType.CATEGORICAL, [True, False]), "momentum", range=(0.5, 1)),
    ranged("layers", INT, 1, 4),
    under(ranged("dropout", DOUBLE, 0, 0.2, 0.1), "layers", range=(2.5, 9)),
)
"""With children before their parents: (2 · (2 + 3 · 2) + 1) · (2 + 2 · 3) = 136 points."""


@st.composite
def numeric(draw: st.DrawFn, name: str = "x", *, finite: bool = False) -> Parameter:
    """An int or double of any distribution, with or without a step."""
    kind = draw(st.sampled_from(NUMERIC))
    distribution = draw(st.sampled_from(Distribution))
    positive = distribution in (Distribution.LOG_UNIFORM, Distribution.LOG_NORMAL)
    if kind is ParameterType.INT:
        low = draw(st.integers(1 if positive else -1000, 1000))
        high = low + draw(st.integers(0, 1000))
        return ranged(name, kind, low, high, draw(st.none() | st.integers(1, 300)), distribution)
    decimals = st.integers(1 if positive else -100_000, 100_000).map(lambda n: n / 1000)
    bounds = sorted([draw(decimals), draw(decimals)])
    steps = st.integers(1, 50_000).map(lambda n: n / 1000)
    step = draw(steps if finite else st.none() | steps)
    return ranged(name, kind, bounds[0], bounds[1], step, distribution)


WORDS = st.characters(codec="utf-8", exclude_characters="\0")
"""What the words of a spec may have."""


@st.composite
def choices(draw: st.DrawFn, name: str = "x") -> Parameter:
    """A discrete or categorical parameter."""
    if draw(st.booleans()):
        numbers = draw(st.lists(st.integers(-50, 50), min_size=1, max_size=6, unique=True))
        return listed(
            name,
            ParameterType.DISCRETE,
            draw(st.sampled_from([numbers, [str(n / 4) for n in numbers]])),
        )
    words = st.one_of(
        st.text(WORDS, max_size=3), st.integers(-5, 5), st.booleans(), st.sampled_from([0.5, 1.5])
    )
    return listed(
        name,
        ParameterType.CATEGORICAL,
        draw(st.lists(words, min_size=1, max_size=6, unique_by=str)),
    )


def parameter(name: str = "x", *, finite: bool = False) -> st.SearchStrategy[Parameter]:
    return numeric(name, finite=finite) | choices(name)


@st.composite
def spaces(draw: st.DrawFn, *, finite: bool = False) -> tuple[Parameter, ...]:
    """One to four parameters of any kind."""
    return tuple(
        draw(parameter(f"p{index}", finite=finite)) for index in range(draw(st.integers(1, 4)))
    )


@st.composite
def conditional_spaces(draw: st.DrawFn, *, finite: bool = False) -> tuple[Parameter, ...]:
    """Two to five parameters, some of which depend on others, in any order."""
    space = list(draw(spaces(finite=finite)))
    space += [
        draw(parameter(f"q{index}", finite=finite)) for index in range(draw(st.integers(1, 2)))
    ]
    for index in range(1, len(space)):
        if draw(st.booleans()):
            parent = space[draw(st.integers(0, index - 1))]
            space[index] = space[index].model_copy(update={"condition": draw(condition(parent))})
    return tuple(draw(st.permutations(space)))


@st.composite
def condition(draw: st.DrawFn, parent: Parameter) -> Condition:
    """A condition on `parent` that some of its values meet."""
    side = dimension(parent)
    values = [side.decode(u) for u in draw(st.lists(st.floats(0, 1), min_size=1, max_size=3))]
    if side.size is None or (parent.type is not ParameterType.CATEGORICAL and draw(st.booleans())):
        numbers = sorted(float(value) for value in values)
        wide = side.size is None and numbers[0] == numbers[-1]
        bounds = (parent.low, parent.high) if wide else (numbers[0], numbers[-1])
        return Condition(parameter=parent.name, range=bounds)
    one = draw(st.booleans())
    test = {"equals": values[0]} if one else {"in": tuple(dict.fromkeys(values))}
    return Condition.model_validate({"parameter": parent.name, **test})


def every(space: Sequence[Parameter]) -> list[dict[str, Scalar]]:
    """All assignments of a small finite space. Written without the code under test."""
    order = sorted(space, key=lambda one: depth(one, space))
    found: list[dict[str, Scalar]] = [{}]
    for one in order:
        side = dimension(one)
        assert side.size is not None
        values = [side.at(place) for place in range(side.size)]
        found = [
            {**known, **more}
            for known in found
            for more in ([{one.name: v} for v in values] if exists(one, known) else [{}])
        ]
    return found


def depth(one: Parameter, space: Sequence[Parameter]) -> int:
    parents = {parameter.name: parameter for parameter in space}
    return 0 if one.condition is None else 1 + depth(parents[one.condition.parameter], space)


def exists(one: Parameter, known: Mapping[str, Scalar]) -> bool:
    """Does `one` exist where others have these values? Written without the code under test."""
    test = one.condition
    if test is None:
        return True
    if test.parameter not in known:
        return False
    value = known[test.parameter]
    if test.range is not None:
        return test.range[0] <= float(value) <= test.range[1]
    return any(type(value) is type(one) and value == one for one in (test.in_ or (test.equals,)))


def outcome(loss: float | None) -> Outcome:
    """The outcome of a trial with one loss; None: it failed."""
    return FAILED if loss is None else Outcome((loss,))


def several(algorithm: str, **settings: Scalar) -> ExperimentSpec:
    """An experiment with two objectives, `a` and `b`, over 11 points."""
    losses = tuple(
        Objective(type=Direction.MINIMIZE, objectiveMetricName=metric) for metric in ("a", "b")
    )
    spec = experiment([ranged("x", DOUBLE, 0, 1, 0.1)], algorithm, settings)
    return spec.model_copy(update={"objective": None, "objectives": losses})
