"""Give a search what is known beforehand: earlier results, and points to be tried first."""

from collections.abc import Iterator

from algorithms.search.outcome import Outcome
from algorithms.search.port import Search
from algorithms.search.shell.suggested_first import (
    SuggestedFirst,
    complete_points,
    suggestion_problems,
)
from algorithms.space.encoding import Cube
from algorithms.space.reading import FittedRows, fit_rows
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Problem


def start_warm(spec: ExperimentSpec, seed: int, search: Search) -> Search:
    """`search` after it has learnt the rows of a valid `spec`, preceded by the spec's suggested
    points.
    """
    for assignment, value in warm_start_rows(spec).used:
        search.learn(assignment, Outcome((spec.first_objective.loss(value),)))
    points = complete_points(Cube.of(spec), spec.suggested, seed) if spec.suggested else []
    return SuggestedFirst(search, points) if points else search


def warm_start_rows(spec: ExperimentSpec) -> FittedRows:
    """The earlier results of `spec` that fit into its space."""
    rows = spec.warm_start.rows if spec.warm_start else None
    return fit_rows(Cube.of(spec), rows) if rows else FittedRows()


def warm_start_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Problems of suggested points and earlier results in a valid space."""
    if spec.suggested:
        yield from suggestion_problems(spec)
    warm = spec.warm_start
    if warm is None:
        return
    if len(spec.all_objectives) > 1:
        yield Problem(
            ("spec", "warmStart"),
            "rows have one value, and there are several objectives; remove it",
        )
    if warm.rows is None and warm.file is not None:
        words = (
            "is read by the command line only (run, submit, check); give rows or experiment here"
        )
        yield Problem(("spec", "warmStart", "file"), words)
    if warm.rows and not (found := warm_start_rows(spec)).used:
        yield Problem(
            ("spec", "warmStart"),
            f"no row fits into this search space: {'; '.join(list(found.words())[1:])}",
        )
