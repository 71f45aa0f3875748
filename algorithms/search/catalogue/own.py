"""Trialstream's own algorithms: the default `auto`, the Gaussian process `gp`, and `nevergrad`."""

from collections.abc import Iterator
from dataclasses import replace

from pydantic import Field

from algorithms.search.catalogue.algorithm import (
    DEFAULT,
    DEFAULT_BUDGET,
    Algorithm,
    Seeded,
    algorithm_of,
)
from algorithms.search.catalogue.libraries import learning_search
from algorithms.search.optimizers.portfolio import (
    OF_SEVERAL,
    NevergradName,
    Situation,
    gaussian_suggestions,
    pick,
)
from algorithms.search.port import Search
from algorithms.search.shell.learning import Optimizer
from algorithms.search.shell.relay import Best, Relay
from algorithms.space.encoding import Cube
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Problem

GP = ("algorithms.search.optimizers.gp.optimizer",)


class GpSettings(Seeded):
    n_initial_points: int = Field(
        default=8, ge=1, description="Sobol points before the model is used; earlier results count"
    )


class NevergradSettings(Seeded):
    optimizer: NevergradName = Field(
        default=NevergradName.AUTO,
        description="Nevergrad's optimizer; auto picks by space and budget",
    )


def picks(spec: ExperimentSpec) -> str:
    """What `auto`, or `nevergrad` with the optimizer `auto`, picks for a valid `spec`, in words;
    else empty.
    """
    situation, name = _situation(spec), algorithm_of(spec)
    if name == DEFAULT and (first := gaussian_suggestions(situation)) != 0:
        total = spec.max_trial_count
        if first is None or (total is not None and total <= first):
            return "gp"
        return (
            f"gp for the first {first} trials, then "
            f"{pick(NevergradName.AUTO, _remaining(situation, first)).optimizer}"
        )
    if (
        name in (DEFAULT, "nevergrad")
        and NevergradSettings.of(spec.algorithm).optimizer is NevergradName.AUTO
    ):
        return str(pick(NevergradName.AUTO, situation).optimizer)
    return ""


def _situation(spec: ExperimentSpec) -> Situation:
    budget = spec.max_trial_count or DEFAULT_BUDGET
    return Situation(Cube.of(spec), budget, spec.parallel, len(spec.all_objectives))


def _auto(spec: ExperimentSpec, seed: int) -> Search:
    situation = _situation(spec)
    cube, first = situation.cube, gaussian_suggestions(situation)
    if first == 0:
        return _nevergrad(spec, seed)
    start = GpSettings().n_initial_points
    if first is None or cube.size == 1:
        return learning_search(spec, seed, lambda cube: gaussian_process(spec, cube, seed, start))
    gp, rest = gaussian_process(spec, cube, seed, start), _remaining(situation, first)
    return Relay(cube, seed, gp, first, lambda best: _nevergrad_from(rest, seed, best))


def _nevergrad_from(situation: Situation, seed: int, best: Best | None) -> Optimizer:
    """Nevergrad's optimizer that begins at the best point."""
    from algorithms.search.optimizers.nevergrad import (
        NevergradOptimizer,
    )  # its import takes a second

    chosen = pick(NevergradName.AUTO, situation)
    optimizer = NevergradOptimizer(
        situation.cube, seed, chosen, situation.budget, situation.parallel
    )
    point = situation.cube.encode(best[0]) if best else None
    if best and point:
        optimizer.begin_at(point, best[1])
    return optimizer


def _remaining(situation: Situation, first: int) -> Situation:
    """The situation after the first `first` trials, for which Nevergrad plans."""
    return replace(situation, budget=max(1, situation.budget - first))


def gaussian_process(spec: ExperimentSpec, cube: Cube, seed: int, start: int) -> Optimizer:
    """The optimizer of `gp` with `start` initial points, from `seed`."""
    from algorithms.search.optimizers.gp.optimizer import (
        GaussianProcess,
    )  # its import takes a second

    return GaussianProcess(
        cube, seed, start, len(spec.all_objectives), len(spec.outcome_constraints)
    )


def _gp(spec: ExperimentSpec, seed: int) -> Search:
    start = GpSettings.of(spec.algorithm).n_initial_points
    return learning_search(spec, seed, lambda cube: gaussian_process(spec, cube, seed, start))


def _nevergrad(spec: ExperimentSpec, seed: int) -> Search:
    from algorithms.search.optimizers.nevergrad import NevergradOptimizer, NevergradSearch

    situation = _situation(spec)
    cube, chosen = situation.cube, pick(NevergradSettings.of(spec.algorithm).optimizer, situation)
    return NevergradSearch(
        cube, seed, NevergradOptimizer(cube, seed, chosen, situation.budget, situation.parallel)
    )


def _knows_several(spec: ExperimentSpec) -> Iterator[Problem]:
    """A problem if there are several objectives and the chosen optimizer cannot honour them."""
    wanted = NevergradSettings.of(spec.algorithm).optimizer
    if spec.multi_objective and wanted not in OF_SEVERAL:
        able = ", ".join(one for one in NevergradName if one in OF_SEVERAL)
        message = f"the optimizer {wanted} cannot honour several objectives; these can: {able}"
        yield Problem(("spec", "algorithm", "algorithmSettings"), message)


OWN_ALGORITHMS = {
    DEFAULT: Algorithm(
        "the default: gp at first, then nevergrad, by what is known to be best",
        Seeded,
        _auto,
        imports=GP,
    ),
    "gp": Algorithm("a Gaussian process that models the objective", GpSettings, _gp, imports=GP),
    "nevergrad": Algorithm(
        "learns from the results with one of Nevergrad's optimizers",
        NevergradSettings,
        _nevergrad,
        imports=("algorithms.search.optimizers.nevergrad",),
        rules=_knows_several,
    ),
}
