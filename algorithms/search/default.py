"""The algorithm that is taken where none is asked for: Nevergrad, its optimizer picked by the situation."""

from pydantic import Field

from algorithms.encoding import Cube
from algorithms.search.algorithm import DEFAULT_BUDGET, Algorithm, Seeded
from algorithms.search.learning import Learning
from algorithms.search.port import Search
from algorithms.search.portfolio import Optimizer, Situation, pick
from events.spec import ExperimentSpec


class NevergradSettings(Seeded):
    optimizer: Optimizer = Field(
        default=Optimizer.AUTO, description="Nevergrad's optimizer; auto picks by space and budget"
    )


def _nevergrad(spec: ExperimentSpec, seed: int) -> Search:
    from algorithms.search.nevergrad import NevergradOptimizer  # its import takes a second

    cube = Cube(spec.parameters)
    budget = spec.max_trial_count or DEFAULT_BUDGET
    wanted = NevergradSettings.of(spec.algorithm).optimizer
    chosen = pick(wanted, Situation(cube, budget, spec.parallel))
    return Learning(cube, seed, NevergradOptimizer(cube, seed, chosen, budget, spec.parallel))


NEVERGRAD = Algorithm("learns from the results with one of Nevergrad's optimizers", NevergradSettings, _nevergrad)
