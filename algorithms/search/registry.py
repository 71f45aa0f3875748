"""All searches by name: the default, Katib's, those of other libraries, and plugins."""

from collections.abc import Iterator, Mapping, Sequence

from algorithms.search.catalogue import plugins
from algorithms.search.catalogue.algorithm import Algorithm, algorithm_of
from algorithms.search.catalogue.katib import KATIB_ALGORITHMS
from algorithms.search.catalogue.libraries import LIBRARY_ALGORITHMS
from algorithms.search.catalogue.own import OWN_ALGORITHMS
from algorithms.search.catalogue.plugins import Fault
from algorithms.search.port import Search
from algorithms.search.shell.warm_start import informed
from algorithms.settings import CatalogueEntry, catalogue_entry
from events.spec.experiment import ExperimentSpec

ALGORITHMS: Mapping[str, Algorithm] = {**OWN_ALGORITHMS, **KATIB_ALGORITHMS, **LIBRARY_ALGORITHMS}


def algorithm_names() -> list[str]:
    """Of all algorithms, also of plugins that cannot be used; none is loaded."""
    return [*ALGORITHMS, *plugins.found(ALGORITHMS)]


def find_algorithm(name: str) -> Algorithm | Fault | None:
    """The algorithm of this name, or why a plugin cannot be used."""
    if name in ALGORITHMS:
        return ALGORITHMS[name]
    points = plugins.found(ALGORITHMS).get(name)
    return None if points is None else plugins.loaded(points)


def create_search(spec: ExperimentSpec, seed: int) -> Search:
    """The search that a valid `spec` asks for; its setting `random_state` takes the place of `seed`."""
    algorithm = find_algorithm(algorithm_of(spec))
    if not isinstance(algorithm, Algorithm):
        raise LookupError(f"there is no algorithm {algorithm_of(spec)}: is its plugin installed here, too?")
    state = algorithm.schema.of(spec.algorithm).random_state
    chosen = seed if state is None else state
    return informed(spec, chosen, algorithm.create(spec, chosen))


def imports(spec: ExperimentSpec) -> frozenset[str]:
    """The modules that `create` will import for `spec` and that take long, as far as they are known beforehand."""
    known = ALGORITHMS.get(algorithm_of(spec))
    return frozenset(known.imports if known else ())


def search_catalogue() -> Sequence[CatalogueEntry]:
    """All searches with their settings, for people."""
    known = ((name, find_algorithm(name)) for name in algorithm_names())
    return [catalogue_entry(name, one.summary, one.schema) for name, one in known if isinstance(one, Algorithm)]


def plugin_faults() -> Iterator[tuple[str, str]]:
    """The plugins that cannot be used, by name, and why."""
    for name, fault in plugins.clashes(ALGORITHMS):
        yield name, fault.words
    for name in algorithm_names():
        if isinstance(one := find_algorithm(name), Fault):
            yield name, one.words
