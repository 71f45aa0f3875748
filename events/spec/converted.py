"""Finds words that were taken for booleans before we saw them: kubectl reads YAML 1.1, where on,
off, yes and no are true and false."""

from collections.abc import Iterator, Mapping
from typing import Any

from events.spec.problem import Path, Problem

_PROGRAM = ("command", "args")


def converted_words(tree: Mapping[str, Any]) -> Iterator[Problem]:
    """The booleans of an object where text is meant: values of parameters, words of programs, and
    their variables."""
    spec = tree.get("spec")
    parameters = spec.get("parameters") if isinstance(spec, Mapping) else None
    for index, parameter in enumerate(parameters if isinstance(parameters, list) else ()):
        space = parameter.get("feasibleSpace") if isinstance(parameter, Mapping) else None
        listed = space.get("list") if isinstance(space, Mapping) else None
        yield from _booleans(listed, ("spec", "parameters", index, "feasibleSpace", "list"))
    for name in ("trialTemplate", "metricsCollectorSpec"):
        part = spec.get(name) if isinstance(spec, Mapping) else None
        yield from _of_programs(part, ("spec", name))


def _of_programs(tree: Any, path: Path) -> Iterator[Problem]:
    if isinstance(tree, list):
        for index, one in enumerate(tree):
            yield from _of_programs(one, (*path, index))
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            place = (*path, str(key))
            if key in _PROGRAM:
                yield from _booleans(value, place)
            elif key == "env":
                yield from _variables(value, place)
            else:
                yield from _of_programs(value, place)


def _variables(listed: Any, path: Path) -> Iterator[Problem]:
    for index, entry in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(entry, Mapping):
            yield from _booleans([entry.get("value")], (*path, index), "value")


def _booleans(listed: Any, path: Path, field: str = "") -> Iterator[Problem]:
    """Of a list, or of one value in the field of a mapping."""
    for index, value in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(value, bool):
            word, before = ("true", "on or yes") if value else ("false", "off or no")
            yield Problem(
                (*path, field or index),
                f"{word} is no text, and may have been {before} before kubectl read it: put the "
                f'word in quotes: "{before.split()[0]}" or "{word}"',
            )
