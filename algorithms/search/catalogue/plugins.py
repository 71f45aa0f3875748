"""Plugins: classes with `ask` and `tell` that their entry points name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from algorithms.search.catalogue.algorithm import Algorithm, Seeded
from algorithms.search.features import Feature
from algorithms.search.outcome import Outcome
from algorithms.search.port import Search
from algorithms.search.shell.learning import Candidate, LearningSearch
from algorithms.settings import catalogue_entry
from algorithms.space.encoding import Cube
from events.spec.experiment import ExperimentSpec
from events.spec.space import Assignment

GROUP = "trialstream.algorithms"


class Plugin(Protocol):
    """The class of a plugin, which is made as `Class(space, seed, settings)`.

    The first line of its docstring is its summary. Optional are `Settings`, a pydantic model with a
    default for each field, and `lacks`, the features that it cannot honour.
    """

    Settings: ClassVar[type[BaseModel]]
    lacks: ClassVar[frozenset[Feature]]

    def ask(self) -> Assignment:
        """Suggest a point of the space, such as `space.decode([0.5] * space.width)`; it may repeat
        one.
        """
        ...

    def tell(self, assignment: Assignment, loss: float) -> None:
        """Learn a finite loss, to be minimised, of a point that this or another search suggested.

        A failure has a loss worse than the worst.
        """
        ...


@dataclass(frozen=True, slots=True)
class Fault:
    """The reason why a plugin cannot be used, in words that follow its name."""

    words: str


class PluginOptimizer:
    """A plugin as an optimizer, without handles."""

    stateless = False
    takes_failures = False

    def __init__(self, cube: Cube, name: str, plugin: Plugin) -> None:
        self._cube, self._name, self._plugin = cube, name, plugin
        self._space = Cube(cube.parameters)
        """The space without constraints, which the shell checks."""

    def ask(self, number: int) -> Candidate:
        assignment = dict(self._plugin.ask())
        if self._space.encode(assignment) is None:
            raise ValueError(
                f"the plugin {self._name} suggested {assignment}, which is not in the search space"
            )
        return Candidate(assignment, None)

    def foreign(self, assignment: Assignment) -> Candidate | None:
        return None if self._cube.encode(assignment) is None else Candidate(assignment, None)

    def drop(self, candidate: Candidate) -> None:
        """Nothing to forget: a plugin is not told of dropped candidates."""

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        self._plugin.tell(candidate.assignment, outcome.losses[0])


def find_plugins(taken: Mapping[str, Algorithm]) -> Mapping[str, tuple[EntryPoint, ...]]:
    """The entry points by name, without names in `taken`; none is loaded."""
    points: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=GROUP):
        points[point.name] = (*points.get(point.name, ()), point)
    return {name: those for name, those in sorted(points.items()) if name not in taken}


def name_clashes(taken: Mapping[str, Algorithm]) -> Iterator[tuple[str, Fault]]:
    """Plugins that have the name of a built-in algorithm in `taken`."""
    for point in entry_points(group=GROUP):
        if point.name in taken:
            yield (
                point.name,
                Fault(
                    f"of {_origin(point)} has the name of a built-in algorithm: rename its "
                    "entry point"
                ),
            )


@cache
def load_plugin(points: tuple[EntryPoint, ...]) -> Algorithm | Fault:
    """The plugin of one name, or why it cannot be used; errors of its import are caught here."""
    if len(points) > 1:
        return Fault(f"is offered by {', '.join(map(_origin, points))}: uninstall all but one")
    (point,) = points
    try:
        return _algorithm(point.name, point.load())
    except (Exception, SystemExit) as error:
        return Fault(f"of {_origin(point)} cannot be loaded: {type(error).__name__}: {error}")


def _algorithm(name: str, plugin: Any) -> Algorithm:
    """The algorithm that the class `plugin` makes; raises TypeError for what is not a plugin."""
    if not isinstance(plugin, type):
        raise TypeError(f"{plugin!r} is not a class")
    for method in ("ask", "tell"):
        if not callable(getattr(plugin, method, None)):
            raise TypeError(f"{plugin.__name__} has no method {method}")
    lacks = frozenset(map(_feature, getattr(plugin, "lacks", ())))
    schema = _schema(plugin)
    summary = (plugin.__doc__ or "a plugin").strip().splitlines()[0].removesuffix(".")
    catalogue_entry(name, summary, schema)  # a setting that cannot be shown fails here

    def create(spec: ExperimentSpec, seed: int) -> Search:
        cube = Cube.of(spec)
        return LearningSearch(
            cube, seed, PluginOptimizer(cube, name, plugin(cube, seed, schema.of(spec.algorithm)))
        )

    return Algorithm(summary, schema, create, lacks | {Feature.SEVERAL_OBJECTIVES})


def _feature(named: Any) -> Feature:
    """A feature, or the one of this name."""
    if isinstance(named, Feature):
        return named
    if named in Feature.__members__:
        return Feature[named]
    raise TypeError(f"lacks has to name features: {', '.join(Feature.__members__)}")


def _schema(plugin: Any) -> type[Seeded]:
    own = getattr(plugin, "Settings", None)
    if own is None:
        return Seeded
    if not (isinstance(own, type) and issubclass(own, BaseModel)):
        raise TypeError("Settings has to be a pydantic model")
    own()  # each field has a default
    config = ConfigDict(frozen=True, extra="forbid")
    return type("Settings", (own, Seeded), {"model_config": config, "__module__": own.__module__})


def _origin(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "an unknown package"
