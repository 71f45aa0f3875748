"""The default, and how one optimizer takes over from another."""

import pytest

from algorithms.conformance.promises import PROMISES
from algorithms.conformance.subject import Subject
from algorithms.search import create_search, picks
from algorithms.search.catalogue import own
from algorithms.search.journal import Asked, Told, restore
from algorithms.search.optimizers import portfolio
from algorithms.search.optimizers.portfolio import AUTO, GAUSSIAN, AutoRow
from algorithms.search.outcome import Outcome
from algorithms.search.port import Search
from algorithms.space.encoding import Cube
from events.spec.experiment import ExperimentSpec
from events.spec.space import Assignment
from tests.algorithms.spaces import DOUBLE, MIXED, experiment, ranged

EARLY = 10
SPACE = [ranged(name, DOUBLE, 0, 1) for name in "abc"]


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nevergrad's turn comes after few trials."""
    turns = AutoRow(lambda s: s.objectives > 1, None, ""), AutoRow(lambda _: True, EARLY, "")
    monkeypatch.setattr(portfolio, "AUTO", turns)


def auto(trials: int = 200, parallel: int = 1) -> ExperimentSpec:
    return experiment(SPACE, "auto", {}, trials, parallel)


def away(assignment: Assignment) -> float:
    """Least at 0.8 everywhere."""
    return sum((float(value) - 0.8) ** 2 for value in assignment.values())


def lived(
    search: Search, trials: int, journal: list[Asked | Told] | None = None
) -> list[Assignment]:
    """Three run at a time."""
    found: list[Assignment] = []
    entries = [] if journal is None else journal
    for trial in range(1, trials + 1):
        found += search.ask(1)
        entries.append(Asked(found[-1]))
        if trial > 2:
            told = Told(trial - 2, Outcome((away(found[trial - 3]),)))
            search.tell(told.trial, told.outcome)
            entries.append(told)
    return found


def test_it_is_the_default() -> None:
    assert lived(create_search(experiment(MIXED), 1), 2) == lived(
        create_search(experiment(MIXED, "auto", {}), 1), 2
    )


@pytest.mark.usefixtures("early")
@pytest.mark.parametrize("promise", PROMISES)
def test_promises_are_kept_across_the_turn(promise: str) -> None:
    PROMISES[promise](Subject("auto"))


@pytest.mark.usefixtures("early")
def test_the_first_suggestions_are_those_of_gp_and_the_others_go_on_from_the_best() -> None:
    found = lived(create_search(auto(), 4), 60)
    gp = lived(create_search(experiment(SPACE, "gp", {}, 200, 1), 4), EARLY + 1)
    assert found[:EARLY] == gp[:EARLY]
    assert found[EARLY] != gp[EARLY]
    best = min(found[: EARLY - 2], key=away)
    drawn = create_search(experiment(SPACE, "nevergrad", {}, 190, 1), 4).ask(1)
    assert drawn != [found[EARLY]]
    near = [abs(float(found[EARLY][name]) - float(best[name])) for name in "abc"]
    assert max(near) < 0.6
    assert away(min(found[EARLY:], key=away)) < away(best)


@pytest.mark.usefixtures("early")
@pytest.mark.parametrize("cut", [6, EARLY, EARLY + 1, 25])
def test_a_journal_is_gone_on_with_before_and_after_the_turn(cut: int) -> None:
    journal: list[Asked | Told] = []
    search = create_search(auto(), 4)
    found = lived(search, cut, journal)
    restored = restore(auto(), 4, journal)
    for _ in range(15):
        assert restored.ask(1) == search.ask(1)
    assert len({str(one) for one in found}) == cut


@pytest.mark.usefixtures("early")
def test_the_history_of_gp_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    journal: list[Asked | Told] = []
    lived(create_search(auto(), 4), EARLY, journal)
    monkeypatch.setattr("algorithms.search.optimizers.gp.optimizer.GaussianProcess.ask", None)
    restore(auto(), 4, journal)


def test_what_is_picked_is_told() -> None:
    assert picks(auto(100)) == "gp"
    assert picks(auto(2000)) == f"gp for the first {GAUSSIAN} trials, then CMA"
    assert picks(auto(2000, parallel=10)).endswith("then OnePlusOne")
    assert picks(experiment(SPACE, "nevergrad", {}, 2000, 1)) == "CMA"
    assert picks(experiment(SPACE, "random", {})) == ""
    wide = [ranged(f"p{number}", DOUBLE, 0, 1) for number in range(300)]
    assert "gp" not in picks(experiment(wide, "auto", {}))


def test_each_row_says_what_was_measured() -> None:
    assert all(len(row.measured) > 40 for row in (*AUTO, *portfolio.NEVERGRAD))
    assert AUTO[-1].when(own._situation(auto()))


def test_one_point_is_enough() -> None:
    search = create_search(experiment([ranged("a", DOUBLE, 1, 1)], "auto", {}), 1)
    assert search.ask(3) == [{"a": 1.0}]
    assert search.exhausted
    assert Cube(()).width == 0
