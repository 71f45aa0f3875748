"""A trial that is over without a result runs no more in the eyes of its search."""

import pytest

from algorithms.search.outcome import WITHDRAWN
from algorithms.search.port import Search
from algorithms.search.registry import create_search
from tests.algorithms.spaces import DOUBLE, MIXED, experiment, outcome, ranged

RESULTS = 30
PLANE = (ranged("x", DOUBLE, 0, 1), ranged("y", DOUBLE, 0, 1))


def with_two_running(name: str) -> Search:
    search = create_search(experiment(PLANE, name, {}), 5)
    points = create_search(experiment(PLANE, "random", {}), 5).ask(RESULTS)
    for trial, point in enumerate(points, 1):
        search.adopt(point)
        search.tell(trial, outcome((float(point["x"]) - 0.4) ** 2))
    search.ask(2)
    return search


@pytest.mark.parametrize("name", ["gp", "bayesianoptimization"])
def test_a_model_takes_no_account_of_trials_that_were_killed(name: str) -> None:
    resumed, still_running = with_two_running(name), with_two_running(name)
    for trial in (RESULTS + 1, RESULTS + 2):
        resumed.tell(trial, WITHDRAWN)
        resumed.tell(trial, outcome(0.0))  # once is enough: this is ignored
    assert resumed.ask(1) != still_running.ask(1)


def test_every_candidate_may_be_withdrawn_also_the_latest() -> None:
    search = create_search(experiment(MIXED, "tpe", {}), 5)
    for trial in range(1, 31):
        (point,) = search.ask(1)
        killed = trial % 3 == 0
        loss = float(point["lr"])
        search.tell(trial, WITHDRAWN if killed else outcome(loss))
    assert len(search.ask(3)) == 3
