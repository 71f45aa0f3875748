"""What a search knows before its first trial, in words."""

from collections.abc import Iterator

from algorithms.search.shell.warm_start import warm_start_rows
from controller.views import words
from events.spec.experiment import ExperimentSpec


def known_before(spec: ExperimentSpec) -> Iterator[tuple[str, str]]:
    """Suggested points, and how many earlier results are used, and why others are not."""
    if spec.suggested:
        yield "Tried first", words.count(len(spec.suggested), "suggested point")
    if spec.warm_start is not None:
        yield "Warm start", "\n".join(_warm_start(spec))


def _warm_start(spec: ExperimentSpec) -> Iterator[str]:
    warm = spec.warm_start
    assert warm is not None
    source = warm.file or ", ".join(warm.experiments)
    if warm.rows is None:
        yield f"the best results of {source}, looked up when the experiment is submitted"
    else:
        yield from warm_start_rows(spec).words(f"rows of {source}" if source else "rows")
