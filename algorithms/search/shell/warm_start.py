"""What a person knows beforehand → the search: earlier results are learnt, suggested points come first."""

from collections.abc import Iterator

from algorithms.search.outcome import Outcome
from algorithms.search.port import Search
from algorithms.search.shell.suggested_first import SuggestedFirst, completed, suggestion_problems
from algorithms.space.encoding import Cube
from algorithms.space.reading import Fitted, fitted
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Problem


def informed(spec: ExperimentSpec, seed: int, search: Search) -> Search:
    """`search`, having learnt the rows of a valid `spec`, behind its suggested points."""
    for assignment, value in warmth(spec).used:
        search.learn(assignment, Outcome((spec.target.loss(value),)))
    points = completed(Cube.of(spec), spec.suggested, seed) if spec.suggested else []
    return SuggestedFirst(search, points) if points else search


def warmth(spec: ExperimentSpec) -> Fitted:
    """What of the earlier results fits into the space of `spec`."""
    rows = spec.warm_start.rows if spec.warm_start else None
    return fitted(Cube.of(spec), rows) if rows else Fitted()


def informing_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Points and rows that make no sense in a space that is valid."""
    if spec.suggested:
        yield from suggestion_problems(spec)
    warm = spec.warm_start
    if warm is None:
        return
    if len(spec.targets) > 1:
        yield Problem(("spec", "warmStart"), "rows have one value, and there are several objectives; remove it")
    if warm.rows is None and warm.file is not None:
        words = "is read by the command line only (run, submit, check); give rows or experiment here"
        yield Problem(("spec", "warmStart", "file"), words)
    if warm.rows and not (found := warmth(spec)).used:
        yield Problem(
            ("spec", "warmStart"), f"no row fits into this search space: {'; '.join(list(found.words())[1:])}"
        )
