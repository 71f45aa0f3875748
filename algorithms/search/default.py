"""The algorithm that is taken where none is asked for: Nevergrad, its optimizer picked by the situation."""

from collections.abc import Iterator

from pydantic import Field

from algorithms.encoding import Cube
from algorithms.search.algorithm import DEFAULT_BUDGET, Algorithm, Seeded
from algorithms.search.port import Search
from algorithms.search.portfolio import OF_SEVERAL, Optimizer, Situation, pick
from events.spec import ExperimentSpec
from events.validation import Problem


class NevergradSettings(Seeded):
    optimizer: Optimizer = Field(
        default=Optimizer.AUTO, description="Nevergrad's optimizer; auto picks by space and budget"
    )


def _nevergrad(spec: ExperimentSpec, seed: int) -> Search:
    from algorithms.search.nevergrad import NevergradOptimizer, NevergradSearch  # its import takes a second

    cube = Cube.of(spec)
    budget = spec.max_trial_count or DEFAULT_BUDGET
    wanted = NevergradSettings.of(spec.algorithm).optimizer
    chosen = pick(wanted, Situation(cube, budget, spec.parallel, len(spec.targets)))
    return NevergradSearch(cube, seed, NevergradOptimizer(cube, seed, chosen, budget, spec.parallel))


def _knows_several(spec: ExperimentSpec) -> Iterator[Problem]:
    """Several objectives need an optimizer of Nevergrad's that can honour them."""
    wanted = NevergradSettings.of(spec.algorithm).optimizer
    if spec.several and wanted not in OF_SEVERAL:
        able = ", ".join(one for one in Optimizer if one in OF_SEVERAL)
        message = f"the optimizer {wanted} cannot honour several objectives; these can: {able}"
        yield Problem(("spec", "algorithm", "algorithmSettings"), message)


NEVERGRAD = Algorithm(
    "learns from the results with one of Nevergrad's optimizers",
    NevergradSettings,
    _nevergrad,
    imports=("algorithms.search.nevergrad",),
    rules=_knows_several,
)
