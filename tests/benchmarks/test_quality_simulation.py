"""A simulated experiment keeps so many trials running as there are workers, and is told of them as
they end."""

from dataclasses import dataclass, field

import pytest

from algorithms.space.encoding import Cube
from benchmarks.quality.contenders import contender, missing
from benchmarks.quality.peers import PEERS
from benchmarks.quality.problem import Function, Half, Kind, Problem, double
from benchmarks.quality.problems import problem
from benchmarks.quality.results import Key, append, parsed, read, result
from benchmarks.quality.runs import Wanted, run
from benchmarks.quality.simulation import Contender, Course, Task, simulate
from events.spec.space import Assignment
from tests.tiers import rest_is_long

LINE = (double("x", 0.0, 1.0),)


def line(shown: float = 1.0) -> Problem:
    """The true loss is x, what is observed is `shown` times as much."""
    function = Function(
        LINE, lambda one: float(one["x"]), lambda one, seed: shown * float(one["x"])
    )
    return Problem("line", Kind.SYNTHETIC, Half.TUNING, function, 0.0, 0.5)


@dataclass
class Falling:
    """Suggests 1, 1/2, 1/3 … (or the same backwards) and remembers what happened to it."""

    most: int = 100
    backwards: bool = False
    asked: int = 0
    told: list[tuple[int, float]] = field(default_factory=list)
    running: list[int] = field(default_factory=list)

    def ask(self) -> Assignment | None:
        if self.asked == self.most:
            return None
        self.asked += 1
        self.running.append(self.asked - len(self.told))
        return {"x": 1 / (self.most + 1 - self.asked if self.backwards else self.asked)}

    def tell(self, trial: int, loss: float) -> None:
        self.told.append((trial, loss))


@dataclass
class Watched:
    """Remembers what a contender suggests."""

    inner: Contender
    suggested: list[Assignment] = field(default_factory=list)

    def ask(self) -> Assignment | None:
        assignment = self.inner.ask()
        assert assignment is not None
        self.suggested.append(assignment)
        return assignment

    def tell(self, trial: int, loss: float) -> None:
        self.inner.tell(trial, loss)


@pytest.mark.parametrize("workers", [1, 3, 10])
def test_so_many_run_as_there_are_workers(workers: int) -> None:
    falling = Falling()
    simulate(falling, line(), Task(LINE, workers, 30, 0))
    assert falling.running == [*range(1, workers), *[workers] * (30 - workers + 1)]
    assert sorted(trial for trial, _ in falling.told) == list(range(1, 31))
    assert all(loss == 1 / trial for trial, loss in falling.told)


def test_one_worker_tells_in_order_and_several_in_that_of_the_ends() -> None:
    orders = []
    for workers in (1, 5, 5):
        falling = Falling()
        simulate(falling, line(), Task(LINE, workers, 30, 0))
        orders.append([trial for trial, _ in falling.told])
    assert orders[0] == list(range(1, 31))
    assert orders[1] == orders[2] != orders[0]


def test_times_follow_from_the_seed() -> None:
    orders = []
    for seed in (0, 1):
        falling = Falling()
        simulate(falling, line(), Task(LINE, 5, 30, seed))
        orders.append(falling.told)
    assert orders[0] != orders[1]


def test_the_incumbent_is_the_best_by_what_is_observed_and_has_its_true_loss() -> None:
    upside_down = line(shown=-1.0)
    assert simulate(Falling(), upside_down, Task(LINE, 1, 3, 0)).incumbents == [(1, 1.0)]
    rising = simulate(Falling(3, backwards=True), upside_down, Task(LINE, 1, 3, 0))
    assert rising.incumbents == [(1, 1 / 3), (2, 1 / 2), (3, 1.0)]
    assert simulate(Falling(), line(), Task(LINE, 1, 3, 0)).incumbents == [
        (1, 1.0),
        (2, 1 / 2),
        (3, 1 / 3),
    ]


def test_a_contender_with_nothing_left_ends_the_run() -> None:
    course = simulate(Falling(most=4), line(), Task(LINE, 3, 30, 0))
    assert len(course.milliseconds) == 4
    assert course.incumbents[-1][1] == 1 / 4


@pytest.mark.parametrize("name", ["random", "nevergrad", "nevergrad:optimizer=CMA"])
def test_ours_run_and_repeat(name: str) -> None:
    wanted = Wanted(Key(name, "now", "network8", 3, 1), 12)
    first, second = run(wanted), run(wanted)
    assert first.incumbents == second.incumbents
    assert first.results == 12


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", rest_is_long(PEERS, lambda name: not name.startswith("skopt")))
@pytest.mark.parametrize("subject", ["network8", "ordinal6"])
def test_peers_suggest_feasible_values_and_repeat(name: str, subject: str) -> None:
    if missing(name):
        pytest.skip(f"{', '.join(missing(name))} is not installed")
    parameters = problem(subject).parameters
    runs = []
    for _ in range(2):
        asking = Watched(contender(name, Task(parameters, 3, 12, 0)))
        simulate(asking, problem(subject), Task(parameters, 3, 12, 0))
        runs.append(asking.suggested)
    assert runs[0] == runs[1]
    assert len(runs[0]) == 12
    assert all(Cube(parameters).encode(assignment) is not None for assignment in runs[0])


def test_the_settings_of_ours_are_used() -> None:
    task = Task(LINE, 1, 100, 0)
    firsts = [contender(f"random:random_state={state}", task).ask() for state in (5, 5, 6)]
    assert firsts[0] == firsts[1] != firsts[2]


KEY = Key("random", "1", "line", 1, 0)


def test_the_loss_at_a_budget_is_the_incumbents() -> None:
    one = result(KEY, 50, Course([(1, 0.9), (7, 0.4), (30, 0.1)], [1.0] * 50))
    assert [one.loss(count) for count in (1, 6, 7, 29, 30, 50)] == [0.9, 0.9, 0.4, 0.4, 0.1, 0.1]
    assert one.loss(51) is None


def test_results_are_read_as_written_and_the_longer_counts(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    file = tmp_path_factory.mktemp("results") / "deeper" / "results.jsonl"
    short = result(KEY, 25, Course([(1, 0.9)], [1.0] * 25))
    long = result(KEY, 50, Course([(1, 0.9), (7, 0.4)], [1.0] * 50))
    append(file, [long, short])
    with file.open("a") as opened:
        opened.write(file.read_text().splitlines()[0][:40])
    assert read(file) == {KEY: long}
    assert parsed(file.read_text().splitlines()[1]) == short
