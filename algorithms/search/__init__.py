"""What to try next: the registry of searches by name."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import Field

from algorithms.encoding import Cube
from algorithms.search.feasibility import feasibility_problems
from algorithms.search.features import REMEDIES, Feature, asked
from algorithms.search.informed import informed, informing_problems
from algorithms.search.port import Search
from algorithms.search.portfolio import OF_SEVERAL, Optimizer, Situation, pick
from algorithms.search.sampling import grid_search, random_search, sobol_search
from algorithms.settings import Entry, Settings, entry, setting_problems
from events.spec import ExperimentSpec
from events.validation import Problem

DEFAULT = "nevergrad"
DEFAULT_BUDGET = 200
"""Trials to plan for where maxTrialCount is not given."""
TO_COME = ("tpe", "multivariate-tpe", "bayesianoptimization", "cmaes", "hyperband", "pbt", "enas", "darts")
"""Katib's algorithms that Trialstream does not have yet."""


class Seeded(Settings):
    random_state: int | None = Field(default=None, ge=0, description="seed that replaces the experiment's own")


class NevergradSettings(Seeded):
    optimizer: Optimizer = Field(
        default=Optimizer.AUTO, description="Nevergrad's optimizer; auto picks by space and budget"
    )


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One line of the registry."""

    summary: str
    schema: type[Seeded]
    create: Callable[[ExperimentSpec, int], Search]
    lacks: frozenset[Feature] = frozenset()
    imports: tuple[str, ...] = ()
    """Modules that `create` imports and that take long: whoever knows beforehand may import them once for many."""
    rules: Callable[[ExperimentSpec], Iterator[Problem]] = lambda spec: iter(())
    """What else it demands of a spec whose settings are right."""


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


UNLEARNING = frozenset({Feature.WARM_START})
ALGORITHMS = {
    "nevergrad": Algorithm(
        "learns from the results with one of Nevergrad's optimizers",
        NevergradSettings,
        _nevergrad,
        imports=("algorithms.search.nevergrad",),
        rules=_knows_several,
    ),
    "random": Algorithm(
        "independent random points", Seeded, lambda spec, seed: random_search(Cube.of(spec), seed), UNLEARNING
    ),
    "grid": Algorithm(
        "every combination once, in shuffled order",
        Seeded,
        lambda spec, seed: grid_search(Cube.of(spec), seed),
        UNLEARNING | {Feature.ENDLESS},
    ),
    "sobol": Algorithm(
        "scrambled Sobol points, more even than random",
        Seeded,
        lambda spec, seed: sobol_search(Cube.of(spec), seed),
        UNLEARNING,
        imports=("scipy.stats.qmc",),
    ),
}


def create(spec: ExperimentSpec, seed: int) -> Search:
    """The search that a valid `spec` asks for; its setting `random_state` takes the place of `seed`."""
    algorithm = ALGORITHMS[algorithm_of(spec)]
    state = algorithm.schema.of(spec.algorithm).random_state
    chosen = seed if state is None else state
    return informed(spec, chosen, algorithm.create(spec, chosen))


def imports(spec: ExperimentSpec) -> frozenset[str]:
    """The modules that `create` will import for `spec` and that take long, as far as they are known beforehand."""
    known = ALGORITHMS.get(algorithm_of(spec))
    return frozenset(known.imports if known else ())


def problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Why the search cannot serve `spec`: unknown algorithm or settings, or a space that it cannot honour."""
    name = algorithm_of(spec)
    if name not in ALGORITHMS:
        known = ", ".join(ALGORITHMS)
        reason = "is still to come" if name in TO_COME else "is no known algorithm"
        yield Problem(("spec", "algorithm", "algorithmName"), f"{name!r} {reason}; there are: {known}")
    else:
        place = ("spec", "algorithm", "algorithmSettings")
        wrong = list(setting_problems(spec.algorithm, ALGORITHMS[name].schema, place)) if spec.algorithm else []
        yield from wrong or ALGORITHMS[name].rules(spec)
    yield from _space_problems(spec, name)


def _space_problems(spec: ExperimentSpec, name: str) -> Iterator[Problem]:
    if spec.nas_config is not None:
        yield Problem(("spec", "nasConfig"), "architecture search is still to come; give parameters instead")
    lacks = ALGORITHMS[name].lacks if name in ALGORITHMS else frozenset()
    for feature, place in asked(spec):
        if feature in lacks:
            able = ", ".join(other for other, algorithm in ALGORITHMS.items() if feature not in algorithm.lacks)
            words = f"{name} cannot honour {feature.value}; {REMEDIES[feature]}; these can as it is: {able}"
            yield Problem(place, words)
    yield from feasibility_problems(spec)
    yield from informing_problems(spec)


def catalogue() -> Sequence[Entry]:
    """All searches with their settings, for people."""
    return [entry(name, algorithm.summary, algorithm.schema) for name, algorithm in ALGORITHMS.items()]


def algorithm_of(spec: ExperimentSpec) -> str:
    """The name of the search that `spec` asks for, or gets without asking."""
    return spec.algorithm.algorithm_name if spec.algorithm else DEFAULT
