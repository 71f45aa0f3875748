"""Why a search cannot serve an experiment, and which others can."""

from collections.abc import Iterator

from algorithms.search.catalogue.algorithm import NAME_PLACE, Algorithm, algorithm_of
from algorithms.search.catalogue.katib import TO_COME
from algorithms.search.catalogue.plugins import Fault
from algorithms.search.feasibility import feasibility_problems
from algorithms.search.features import REMEDIES, requested_features
from algorithms.search.registry import ALGORITHMS, algorithm_names, find_algorithm
from algorithms.search.shell.warm_start import warm_start_problems
from algorithms.settings import setting_problems
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Problem

SETTINGS_PLACE = ("spec", "algorithm", "algorithmSettings")


def search_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Problems of `spec`: an unknown algorithm or setting, a missing library, a space that cannot
    be honoured.
    """
    name = algorithm_of(spec)
    algorithm = find_algorithm(name)
    if algorithm is None:
        reason = "is not supported yet" if name in TO_COME else "is not a known algorithm"
        yield Problem(NAME_PLACE, f"{name!r} {reason}; there are: {', '.join(algorithm_names())}")
    if isinstance(algorithm, Fault):
        yield Problem(NAME_PLACE, f"the plugin {name} {algorithm.words}")
    if spec.nas_config is not None:
        yield Problem(
            ("spec", "nasConfig"),
            "architecture search is not supported yet; give parameters instead",
        )
    if isinstance(algorithm, Algorithm):
        yield from _own(spec, name, algorithm)
    yield from feasibility_problems(spec)
    yield from warm_start_problems(spec)


def _own(spec: ExperimentSpec, name: str, algorithm: Algorithm) -> Iterator[Problem]:
    """What `spec` asks of this algorithm that it cannot do."""
    if algorithm.extra is not None and algorithm.extra.missing:
        yield algorithm.extra.problem(name)
    wrong = (
        list(setting_problems(spec.algorithm, algorithm.schema, SETTINGS_PLACE))
        if spec.algorithm
        else []
    )
    yield from wrong or algorithm.rules(spec)
    for feature, place in requested_features(spec):
        if feature in algorithm.lacks:
            able = ", ".join(other for other, one in ALGORITHMS.items() if feature not in one.lacks)
            words = (
                f"{name} cannot honour {feature.value}; {REMEDIES[feature]}; these can as it is: "
                f"{able}"
            )
            yield Problem(place, words)
