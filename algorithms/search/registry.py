"""All algorithms by name, and how to make the search of an experiment."""

from collections.abc import Iterator, Mapping, Sequence

from algorithms.search.catalogue import plugins
from algorithms.search.catalogue.algorithm import Algorithm, algorithm_of
from algorithms.search.catalogue.katib import KATIB_ALGORITHMS
from algorithms.search.catalogue.libraries import LIBRARY_ALGORITHMS
from algorithms.search.catalogue.own import OWN_ALGORITHMS
from algorithms.search.catalogue.plugins import Fault
from algorithms.search.port import Search
from algorithms.search.shell.warm_start import start_warm
from algorithms.settings import CatalogueEntry, catalogue_entry
from events.spec.experiment import ExperimentSpec

ALGORITHMS: Mapping[str, Algorithm] = {**OWN_ALGORITHMS, **KATIB_ALGORITHMS, **LIBRARY_ALGORITHMS}


def algorithm_names() -> list[str]:
    """The names of all algorithms, plugins included, also those that cannot be used; loads no
    plugin.
    """
    return [*ALGORITHMS, *plugins.find_plugins(ALGORITHMS)]


def find_algorithm(name: str) -> Algorithm | Fault | None:
    """The algorithm of this name, the reason why a plugin cannot be used, or None for an unknown
    name.
    """
    if name in ALGORITHMS:
        return ALGORITHMS[name]
    points = plugins.find_plugins(ALGORITHMS).get(name)
    return None if points is None else plugins.load_plugin(points)


def create_search(spec: ExperimentSpec, seed: int) -> Search:
    """The search that a valid `spec` asks for; its setting `random_state` replaces `seed`.

    Raises LookupError if a plugin is not installed here.
    """
    algorithm = find_algorithm(algorithm_of(spec))
    if not isinstance(algorithm, Algorithm):
        raise LookupError(
            f"there is no algorithm {algorithm_of(spec)}: is its plugin installed here, too?"
        )
    state = algorithm.schema.of(spec.algorithm).random_state
    chosen = seed if state is None else state
    return start_warm(spec, chosen, algorithm.create(spec, chosen))


def imports(spec: ExperimentSpec) -> frozenset[str]:
    """The slow modules that `create_search` will import for `spec`, as far as they are known
    beforehand.
    """
    known = ALGORITHMS.get(algorithm_of(spec))
    return frozenset(known.imports if known else ())


def search_catalogue() -> Sequence[CatalogueEntry]:
    """All algorithms that can be used, with their settings, for people."""
    known = ((name, find_algorithm(name)) for name in algorithm_names())
    return [
        catalogue_entry(name, one.summary, one.schema)
        for name, one in known
        if isinstance(one, Algorithm)
    ]


def plugin_faults() -> Iterator[tuple[str, str]]:
    """Each plugin that cannot be used, with the reason."""
    for name, fault in plugins.name_clashes(ALGORITHMS):
        yield name, fault.words
    for name in algorithm_names():
        if isinstance(one := find_algorithm(name), Fault):
            yield name, one.words
