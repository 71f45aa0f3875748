"""Placeholders of a trial template: found and replaced in the parsed tree, never in the text of a
document."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from events.errors import RefusalError
from events.spec.experiment import ExperimentSpec
from events.spec.space import Assignment, Scalar
from events.spec.template import TrialParameter, TrialTemplate
from events.spec.text_template import PLACEHOLDER, Unquoted

METADATA = re.compile(r"^\$\{trialSpec\.(.+?)\}$")
_OPTION = re.compile(rf"[^\s=${{}}]+={PLACEHOLDER.pattern}")
_FLAG = re.compile(r"--?[^\W\d][^\s=${}]*")
_INDEXED = re.compile(r"^(Annotations|Labels)\[(.+)\]$")


class TemplateError(RefusalError, ValueError):
    """A placeholder or reference that cannot be resolved."""


def written(value: Scalar) -> str:
    """A value as a program reads it: shortest exact number, `true`/`false`, text as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def placeholders(tree: Any) -> Iterator[str]:
    """The names of all `${trialParameters.<name>}` in `tree`, repetitions included."""
    match tree:
        case str():
            yield from PLACEHOLDER.findall(tree)
        case Mapping():
            for key, value in tree.items():
                yield from PLACEHOLDER.findall(str(key))
                yield from placeholders(value)
        case list() | tuple():
            for item in tree:
                yield from placeholders(item)


def substitute(tree: Any, values: Mapping[str, Scalar], absent: Set[str] = frozenset()) -> Any:
    """A copy of `tree` with every placeholder replaced.

    A string that is one placeholder becomes the value itself (a number stays a number); within a
    longer string the value is written out; what is Unquoted stays so. What a placeholder of a name
    in `absent` stands for is left out: the item of a list, with the option before it, or the key of
    a mapping. Raises TemplateError for a name without a value.
    """
    match tree:
        case Unquoted():
            return Unquoted(substitute_key(tree, values))
        case str():
            whole = PLACEHOLDER.fullmatch(tree)
            return _value(values, whole[1]) if whole else substitute_key(tree, values)
        case Mapping():
            kept = {key: value for key, value in tree.items() if alone(value) not in absent}
            return {
                substitute_key(key, values): substitute(value, values, absent)
                for key, value in kept.items()
            }
        case list() | tuple():
            return [
                substitute(item, values, absent)
                for item in (_existing(tree, absent) if absent else tree)
            ]
        case _:
            return tree


def alone(value: Any) -> str | None:
    """The name of the one placeholder that a text consists of, as it is or after `option=`."""
    found = (
        (PLACEHOLDER.fullmatch(value) or _OPTION.fullmatch(value))
        if isinstance(value, str)
        else None
    )
    return found[1] if found else None


def _existing(items: Sequence[Any], absent: Set[str]) -> list[Any]:
    """The items without those of absent values; an option is left out with the value that follows
    it, a variable of the environment with its name."""
    kept: list[Any] = []
    for item in items:
        variable = isinstance(item, Mapping) and item.keys() == {"name", "value"}
        if alone(item["value"] if variable else item) not in absent:
            kept.append(item)
        elif PLACEHOLDER.fullmatch(str(item)) and kept and _FLAG.fullmatch(str(kept[-1])):
            kept.pop()
    return kept


def entangled(tree: Any, names: Set[str]) -> Iterator[str]:
    """Those of `names` whose placeholders are part of longer strings or of keys, so that they
    cannot be left out."""
    match tree:
        case str():
            yield from (
                name for name in PLACEHOLDER.findall(tree) if name in names and alone(tree) != name
            )
        case Mapping():
            for key, value in tree.items():
                yield from (name for name in PLACEHOLDER.findall(str(key)) if name in names)
                yield from entangled(value, names)
        case list() | tuple():
            for item in tree:
                yield from entangled(item, names)


def substitute_key(key: Any, values: Mapping[str, Scalar]) -> Any:
    """Keys stay strings whatever is substituted into them."""
    if not isinstance(key, str):
        return key
    return PLACEHOLDER.sub(lambda found: written(_value(values, found[1])), key)


def _value(values: Mapping[str, Scalar], name: str) -> Scalar:
    try:
        return values[name]
    except KeyError:
        known = ", ".join(sorted(values)) or "none"
        raise TemplateError(
            f"${{trialParameters.{name}}} has no value; known names: {known}"
        ) from None


def metadata_value(
    reference: str, template: TrialTemplate, trial: str, namespace: str
) -> str | None:
    """The value of a reference such as `${trialSpec.Name}`; None if it is not a reference to
    metadata."""
    found = METADATA.match(reference)
    if not found:
        return None
    key = found[1]
    tree = template.manifest or {}
    match key:
        case "Name":
            return trial
        case "Namespace":
            return namespace
        case "Kind":
            return str(tree.get("kind", ""))
        case "APIVersion":
            return str(tree.get("apiVersion", ""))
    indexed = _INDEXED.match(key)
    if not indexed:
        raise TemplateError(
            f"{reference}: allowed are Name, Namespace, Kind, APIVersion, Annotations[key], "
            "Labels[key]"
        )
    metadata = tree.get("metadata")
    entries = metadata.get(indexed[1].lower()) if isinstance(metadata, Mapping) else None
    if not isinstance(entries, Mapping) or indexed[2] not in entries:
        raise TemplateError(
            f"{reference}: the template has no such {indexed[1].lower().rstrip('s')}"
        )
    return str(entries[indexed[2]])


def template_values(
    template: TrialTemplate, assignment: Assignment, trial: str, namespace: str
) -> dict[str, Scalar]:
    """What each placeholder stands for. Without `trialParameters` a parameter's own name is its
    placeholder."""
    if not template.trial_parameters:
        return dict(assignment)
    values: dict[str, Scalar] = {}
    for parameter in template.trial_parameters:
        value = _resolved(parameter, template, assignment, trial, namespace)
        if value is not None:
            values[parameter.name] = value
    return values


def absent_names(spec: ExperimentSpec, assignment: Assignment) -> frozenset[str]:
    """The placeholders of the parameters that do not exist in a trial with this assignment."""
    absent = {
        parameter.name for parameter in spec.parameters if parameter.condition
    } - assignment.keys()
    return frozenset(placeholders_of(spec.trial_template, absent))


def placeholders_of(template: TrialTemplate, parameters: Set[str]) -> Set[str]:
    """The placeholders that refer to `parameters`."""
    if not template.trial_parameters:
        return parameters
    return {entry.name for entry in template.trial_parameters if entry.reference in parameters}


def _resolved(
    parameter: TrialParameter,
    template: TrialTemplate,
    assignment: Assignment,
    trial: str,
    namespace: str,
) -> Scalar | None:
    metadata = metadata_value(parameter.reference, template, trial, namespace)
    return metadata if metadata is not None else assignment.get(parameter.reference)
