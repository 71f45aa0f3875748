"""The table of what each algorithm honours: a column for each kind of parameter and feature."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from algorithms.conformance.spaces import (
    CATEGORICAL,
    DISCRETE,
    DOUBLE,
    INT,
    all_feasible,
    listed,
    ranged,
)
from algorithms.conformance.subject import Subject, simulate
from algorithms.search.registry import ALGORITHMS
from algorithms.space.dimension import dimension
from events.spec.space import Assignment, Condition, Distribution, Parameter

BESIDE = (ranged("beside", INT, 1, 50), ranged("besides", INT, 1, 50))
"""Parameters beside the examined one, as some algorithms need two numbers."""
DRAWN = 128
FIFTHS = 5
"""An odd number: many algorithms begin in the middle, which steps would put on either side of a
border."""
MOST_SKEW = 0.2
"""Share of the suggestions by which a fifth may be off; chance alone makes it 0.07, once in three
times."""


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    parameters: tuple[Parameter, ...]
    constraints: tuple[str, ...] = ()
    objectives: int = 1
    fine: bool = False
    """Has the first parameter so many values that fifths of its distribution can be told apart?"""

    def allows(self, assignment: Assignment) -> bool:
        """Does the constraint hold, if there is one? This does not use the code under test."""
        return (
            not self.constraints
            or float(assignment["beside"]) + 2 * float(assignment["besides"]) <= 40
        )


def conditional() -> Parameter:
    """A parameter x that exists only where `beside` is large."""
    condition = Condition(parameter="beside", range=(25.5, 50))
    return ranged("x", INT, 1, 1000).model_copy(update={"condition": condition})


def _columns() -> list[Column]:
    columns = []
    for distribution in Distribution:
        columns.append(
            Column(
                f"double {distribution}",
                (ranged("x", DOUBLE, 1, 1000, None, distribution), *BESIDE),
                fine=True,
            )
        )
    for distribution in Distribution:
        columns.append(
            Column(
                f"double, step, {distribution}",
                (ranged("x", DOUBLE, 1, 100, 0.5, distribution), *BESIDE),
                fine=True,
            )
        )
    for distribution in Distribution:
        columns.append(
            Column(
                f"int {distribution}",
                (ranged("x", INT, 10, 1000, None, distribution), *BESIDE),
                fine=True,
            )
        )
    columns.append(Column("discrete", (listed("x", DISCRETE, ["0.5", "2", "8", "-1"]), *BESIDE)))
    columns.append(Column("categorical", (listed("x", CATEGORICAL, ["a", "b", True]), *BESIDE)))
    columns.append(
        Column(
            "categorical only",
            (listed("x", CATEGORICAL, "abcde"), listed("y", CATEGORICAL, "abcde")),
        )
    )
    columns.append(Column("one parameter", (ranged("x", INT, 1, 1000),)))
    columns.append(Column("conditional parameter", (conditional(), *BESIDE)))
    columns.append(Column("constraint", BESIDE, ("beside + 2*besides <= 40",)))
    columns.append(Column("several objectives", BESIDE, objectives=2))
    return columns


COLUMNS = _columns()


class DistributionMeter:
    """Measures how far the suggestions of a parameter are from its distribution, against a uniform
    parameter.

    Both searches have the same seed and no results, so that the distribution alone makes the
    difference, also for algorithms that do not begin with random points.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        endless = subject.serves([ranged("x", DOUBLE, 0, 1), *BESIDE])
        self._plain = self._fifths((ranged("x", DOUBLE, 0, 1, None if endless else 0.001), *BESIDE))

    def skew(self, column: Column) -> float:
        """The largest difference of any fifth of the distribution, as a share of the
        suggestions.
        """
        shares = self._fifths(column.parameters)
        return max(abs(one - other) for one, other in zip(shares, self._plain, strict=True))

    def _fifths(self, parameters: Sequence[Parameter]) -> list[float]:
        side = dimension(parameters[0])
        counts: Counter[int] = Counter()
        for assignment in self._subject.search(parameters, 11).ask(DRAWN):
            u = side.encode(assignment[parameters[0].name])
            counts[min(int((u or 0.0) * FIFTHS), FIFTHS - 1)] += 1
        return [counts[fifth] / DRAWN for fifth in range(FIFTHS)]


def cell(subject: Subject, column: Column) -> str:
    """`yes` or `each once` if the suggestions are right, `refused` if the check before the start
    says so, or `BROKEN`.

    Distributions are checked by a promise of their own, which takes longer.
    """
    subject = replace(subject, constraints=column.constraints, objectives=column.objectives)
    if not subject.serves(column.parameters):
        return "refused"
    search = subject.search(column.parameters, 2)
    found = list(simulate(search, subject.trials, objectives=column.objectives))
    good = all(all_feasible(column.parameters, one) and column.allows(one) for one in found)
    good = good and len({str(one) for one in found}) == len(found)
    good = good and (len(found) == subject.trials or search.exhausted)
    words = "each once" if subject.algorithm.exhaustive else "yes"
    return words if good else "BROKEN"


def rows(kept: dict[str, str]) -> list[str]:
    """The table in Markdown; the row of an algorithm whose library is not installed is that of
    `kept`.
    """
    return heading() + [row(name) or kept[name] for name in ALGORITHMS]


def heading() -> list[str]:
    """The first lines of the table."""
    titles = [column.title for column in COLUMNS]
    return [f"| algorithm | {' | '.join(titles)} |", f"|---|{'---|' * len(titles)}"]


def row(name: str) -> str | None:
    """The row of an algorithm; None if its library is not installed."""
    subject = Subject(name, trials=12)
    if subject.algorithm.extra is not None and subject.algorithm.extra.missing:
        return None
    return f"| `{name}` | {' | '.join(cell(subject, column) for column in COLUMNS)} |"
