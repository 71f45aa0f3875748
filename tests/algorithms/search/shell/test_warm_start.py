"""Earlier results: what fits is used, what does not is explained, and the search begins where they
were best."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.search import ALGORITHMS, create_search, search_problems
from algorithms.search.features import Feature
from algorithms.search.journal import Asked, Told, restore
from algorithms.search.outcome import Outcome
from algorithms.search.shell.warm_start import warm_start_rows
from algorithms.space.encoding import Cube
from algorithms.space.reading import fit_rows, value_of
from events.spec.experiment import ExperimentSpec
from events.spec.objective import Direction, Objective
from events.spec.placeholders import written
from events.spec.problem import Problem
from events.spec.space import Assignment, Parameter, ParameterType, Scalar
from events.spec.warm_start import Row, WarmStart
from tests.algorithms.spaces import (
    DOUBLE,
    INT,
    MIXED,
    OPTIMIZERS,
    TREE,
    conditional_spaces,
    experiment,
    listed,
    of_each_family,
    outcome,
    ranged,
)


def rows(*pairs: tuple[dict[str, Any], float]) -> tuple[Row, ...]:
    return tuple(Row(parameters=parameters, value=value) for parameters, value in pairs)


def warm(spec: ExperimentSpec, *pairs: tuple[dict[str, Any], float]) -> ExperimentSpec:
    return spec.model_copy(update={"warm_start": WarmStart(rows=rows(*pairs))})


@pytest.mark.parametrize(
    ("parameter", "given", "value"),
    [
        (ranged("x", DOUBLE, 0, 1), "0.25", 0.25),
        (ranged("x", DOUBLE, 0, 1), 1, 1.0),
        (ranged("x", DOUBLE, 0, 1), 1.1, None),
        (ranged("x", DOUBLE, 0, 1), "nan", None),
        (ranged("x", DOUBLE, 0, 1), True, None),
        (ranged("x", DOUBLE, 2, 2), "2", 2.0),
        (ranged("x", DOUBLE, 2, 2), 3, None),
        (ranged("x", DOUBLE, 0, 1, 0.1), "0.3", 0.3),
        (ranged("x", DOUBLE, 0, 1, 0.1), 0.35, None),
        (ranged("x", INT, 1, 9), "3.0", 3),
        (ranged("x", INT, 1, 9), 3.5, None),
        (listed("x", ParameterType.DISCRETE, ["8", 16]), 8.0, "8"),
        (listed("x", ParameterType.DISCRETE, ["8", 16]), "16", 16),
        (listed("x", ParameterType.DISCRETE, ["8", 16]), "x", None),
        (listed("x", ParameterType.CATEGORICAL, ["a", True, 1.5]), "true", True),
        (listed("x", ParameterType.CATEGORICAL, ["a", True, 1.5]), "1.5", 1.5),
        (listed("x", ParameterType.CATEGORICAL, ["a", True, 1.5]), "A", None),
    ],
)
def test_values_are_read_as_they_were_meant(
    parameter: Parameter, given: Scalar, value: Scalar | None
) -> None:
    found = value_of(parameter, given)
    assert (type(found), found) == (type(value), value)


@given(conditional_spaces(), st.data())
def test_what_the_space_wrote_is_read_again(
    space: tuple[Parameter, ...], data: st.DataObject
) -> None:
    cube = Cube(space)
    point = data.draw(st.lists(st.floats(0, 1), min_size=cube.width, max_size=cube.width))
    assignment = cube.decode(point)
    texts: dict[str, Scalar] = {name: written(value) for name, value in assignment.items()}
    if len({str(value).lower() for one in space for value in one.space.list}) == sum(
        len(one.space.list) for one in space
    ):
        (found,) = fit_rows(cube, rows((texts, 1.0))).used
        assert found == (assignment, 1.0)
    (same,) = fit_rows(cube, rows((assignment, 1.0))).used
    assert same[0].keys() == assignment.keys()


def test_what_does_not_fit_is_left_out_and_explained() -> None:
    found = fit_rows(
        Cube(TREE, ["layers <= 3"]),
        rows(
            ({"optimizer": "adam", "layers": 1, "gone": 3}, 0.1),
            (
                {"optimizer": "adam", "layers": 1, "momentum": 0.9},
                0.2,
            ),  # momentum does not exist here
            ({"optimizer": "adam"}, 0.3),
            ({"layers": 2, "optimizer": "adam"}, 0.4),
            ({"optimizer": "sgd", "layers": 1}, 0.5),
            ({"optimizer": "adagrad", "layers": 1}, 0.6),
            ({"optimizer": "adam", "layers": 4, "dropout": 0.1}, 0.7),
            ({"optimizer": "adam"}, 0.8),
        ),
    )
    assert found.used == [
        ({"optimizer": "adam", "layers": 1}, 0.1),
        ({"optimizer": "adam", "layers": 1}, 0.2),
        ({"optimizer": "adam", "layers": 2}, 0.4),
    ]
    assert list(found.words("rows of a.csv")) == [
        "3 of 8 rows of a.csv are used",
        "2 left out: without a value of layers",
        "1 left out: without a value of momentum",
        "1 left out: optimizer is outside of its feasible space",
        "1 left out: forbidden by the constraints",
        "ignored, as this space does not have them: gone",
    ]


SPACE = [ranged(name, DOUBLE, 0, 1) for name in "ab"]
BEST = {"a": 0.875, "b": 0.125}
KNOWN = (({"a": 0.5, "b": 0.5}, 3.0), (BEST, 1.0), ({"a": 0.25, "b": 0.75}, 2.0))


@pytest.mark.parametrize("name", of_each_family(OPTIMIZERS))
@pytest.mark.parametrize("corner", [0.0, 1.0, 0.3])
def test_every_optimizer_begins_near_the_best(name: str, corner: float) -> None:
    best = {"a": corner, "b": corner}
    spec = warm(
        experiment(SPACE, "nevergrad", {"optimizer": name}, trials=60), *KNOWN, (best, -1.0)
    )
    search = create_search(spec, seed=3)
    found = []
    for trial in range(1, 41):
        found += search.ask(1)
        search.tell(trial, outcome(sum(abs(float(value) - corner) for value in found[-1].values())))
    assert all(0 <= float(value) <= 1 for one in found for value in one.values())
    assert found[0] == best
    assert len({str(one) for one in found}) == 40


def test_the_direction_of_the_objective_counts() -> None:
    spec = warm(experiment(SPACE, "nevergrad"), *KNOWN)
    assert create_search(spec, seed=1).ask(1) == [BEST]
    upwards = Objective(type=Direction.MAXIMIZE, objectiveMetricName="loss")
    assert create_search(spec.model_copy(update={"objective": upwards}), seed=1).ask(1) == [
        KNOWN[0][0]
    ]


def test_gp_tries_the_best_row_first_and_trusts_its_own_results_more() -> None:
    """All rows are best at one end, the problem is best at the other."""
    space = [ranged(name, DOUBLE, 0, 1) for name in "ab"]
    points = [{"a": (i % 5 + 0.5) / 5, "b": (i // 5 + 0.5) / 5} for i in range(25)]
    spec = warm(experiment(space, "gp", {}, 40, 1), *((one, one["a"] + one["b"]) for one in points))
    search = create_search(spec, seed=3)
    found: list[Assignment] = []
    for trial in range(1, 41):
        found += search.ask(1)
        search.tell(trial, Outcome((2 - float(found[-1]["a"]) - float(found[-1]["b"]),)))
    assert found[0] == {"a": 0.1, "b": 0.1}
    assert max(float(one["a"]) + float(one["b"]) for one in found) > 1.95


def test_unreachable_values_do_not_hold_it_up() -> None:
    spec = warm(experiment(SPACE, trials=40), *((point, value - 1000) for point, value in KNOWN))
    search = create_search(spec, seed=1)
    losses: list[float] = []
    for trial in range(1, 41):
        (point,) = search.ask(1)
        losses.append(abs(float(point["a"]) - 0.6) + abs(float(point["b"]) - 0.4))
        search.tell(trial, outcome(losses[-1]))
    assert min(losses) < 0.1 < losses[0]


@pytest.mark.parametrize("name", of_each_family(OPTIMIZERS))
def test_a_replay_is_exact(name: str) -> None:
    spec = warm(experiment(SPACE, "nevergrad", {"optimizer": name}, trials=60), *KNOWN)
    original = create_search(spec, seed=9)
    journal: list[Asked | Told] = []
    for trial in range(1, 20):
        journal += [Asked(one) for one in original.ask(1)]
        original.tell(trial, outcome(1.0 / trial))
        journal.append(Told(trial, outcome(1.0 / trial)))
    assert restore(spec, 9, journal).ask(6) == original.ask(6)
    assert create_search(spec, seed=9).ask(3) != create_search(
        experiment(SPACE, "nevergrad", {"optimizer": name}, 60), seed=9
    ).ask(3)


def test_rows_that_all_miss_the_space_are_refused_with_the_reasons() -> None:
    (problem,) = search_problems(warm(experiment(MIXED), ({"lr": 0.1}, 1.0), ({"lr": 7}, 1.0)))
    assert problem == Problem(
        ("spec", "warmStart"),
        "no row fits into this search space: 1 left out: without a value of momentum; "
        "1 left out: lr is outside of its feasible space",
    )


@pytest.mark.parametrize("name", ["random", "grid", "sobol"])
def test_searches_that_do_not_learn_refuse_it(name: str) -> None:
    spec = warm(experiment(TREE, name), ({"optimizer": "adam", "layers": 1}, 1.0))
    able = ", ".join(
        other
        for other, algorithm in ALGORITHMS.items()
        if Feature.WARM_START not in algorithm.lacks
    )
    assert list(search_problems(spec)) == [
        Problem(
            ("spec", "warmStart"),
            f"{name} cannot honour a warm start, as it does not learn from results; remove "
            "warmStart; "
            f"these can as it is: {able}",
        )
    ]


def test_a_file_that_nobody_read_is_refused() -> None:
    spec = experiment(SPACE).model_copy(update={"warm_start": WarmStart(file="runs.csv")})
    message = "is read by the command line only (run, submit, check); give rows or experiment here"
    assert list(search_problems(spec)) == [Problem(("spec", "warmStart", "file"), message)]
    assert warm_start_rows(spec).rows == 0
