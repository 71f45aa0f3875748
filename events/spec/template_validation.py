"""What a trial template must satisfy beyond the shape of its fields."""

from collections.abc import Iterator

from events.spec.experiment import ExperimentSpec
from events.spec.gjson import PathError, parse
from events.spec.placeholders import (
    METADATA,
    TemplateError,
    entangled,
    metadata_value,
    placeholders,
    placeholders_of,
)
from events.spec.problem import Path, Problem, repeated
from events.spec.template import TrialTemplate
from events.spec.yaml import DocumentError

_ENTANGLED = (
    "{0} stands for a parameter with a condition, and could not be left out of a longer text; "
    "make it an item or a "
    "value of its own (such as --option={0}), or let the program read TRIALSTREAM_PARAMETERS"
)


def template_problems(spec: ExperimentSpec, *, katib: bool) -> Iterator[Problem]:
    """What is wrong with the trial template, and with what it says about the parameters."""
    template = spec.trial_template
    where: Path = ("spec", "trialTemplate")
    sources = [
        template.trial_spec is not None,
        template.config_map is not None,
        template.command is not None,
    ]
    if sum(sources) != 1:
        choice = "trialSpec and configMap" if katib else "command, trialSpec and configMap"
        yield Problem(where, f"give exactly one of {choice}")
        return
    if template.command is not None and not template.command:
        yield Problem(
            (*where, "command"),
            "is empty; give the program and its arguments, such as [python, train.py]",
        )
    if template.command is None:
        yield from _rules(template, where)
        try:
            yield from _manifest(template)
        except DocumentError as error:
            yield Problem(template.manifest_place, str(error))
            return
    if template.command is None and not template.trial_parameters:
        yield Problem(
            (*where, "trialParameters"), "is required: which placeholder stands for which parameter"
        )
    yield from _references(spec, where)


def _rules(template: TrialTemplate, where: Path) -> Iterator[Problem]:
    """What is wrong with the fields by which a workload is judged."""
    if not template.primary_container_name:
        yield Problem(
            (*where, "primaryContainerName"), "is required: the name of the container that trains"
        )
    kind = (template.trial_spec or {}).get("kind")
    for field, value in (
        ("successCondition", template.success_condition),
        ("failureCondition", template.failure_condition),
    ):
        if not value:
            place = "a template in a ConfigMap" if template.config_map else f"kind {kind}"
            yield Problem(
                (*where, field),
                f"is required for {place}: a GJSON path that holds when the trial has ended so",
            )
            continue
        try:
            parse(value)
        except PathError as error:
            yield Problem((*where, field), f"{value!r} is not a GJSON path: {error}")


def _manifest(template: TrialTemplate) -> Iterator[Problem]:
    """What is wrong with the head of the manifest. Raises DocumentError."""
    tree, where = template.manifest, template.manifest_place
    if tree is None:
        return
    for field in ("apiVersion", "kind"):
        if not isinstance(tree.get(field), str) or not tree[field].strip():
            yield Problem((*where, field), "is required")
    metadata = tree.get("metadata")
    for field in ("name", "namespace"):
        if isinstance(metadata, dict) and field in metadata:
            yield Problem((*where, "metadata", field), "must be absent; each trial gets its own")


def _references(spec: ExperimentSpec, where: Path) -> Iterator[Problem]:
    template = spec.trial_template
    names = {parameter.name for parameter in spec.parameters}
    manifest = template.manifest
    used = set(placeholders(manifest)) | set(placeholders(template.command))
    declared = {parameter.name for parameter in template.trial_parameters} or names
    yield from _trial_parameters(spec, used, where)
    for name in sorted(used - declared):
        wanted = "trialParameters" if template.trial_parameters else "parameters"
        yield Problem(
            where,
            f"${{trialParameters.{name}}} is not declared in {wanted}; declared: "
            f"{', '.join(sorted(declared))}",
        )
    conditional = placeholders_of(
        template, {parameter.name for parameter in spec.parameters if parameter.condition}
    )
    for name in dict.fromkeys(entangled((template.command, manifest), conditional)):
        yield Problem(where, _ENTANGLED.format(f"${{trialParameters.{name}}}"))
    if template.command and conditional & set(placeholders(template.command[0])):
        yield Problem(
            (*where, "command", 0),
            "is a parameter with a condition; a trial without it has no program",
        )
    unused = names - {entry.reference for entry in template.trial_parameters}
    if template.trial_parameters and unused:
        yield Problem(
            (*where, "trialParameters"),
            f"no entry refers to {', '.join(sorted(unused))}; every parameter must be used",
        )


def _trial_parameters(spec: ExperimentSpec, used: set[str], where: Path) -> Iterator[Problem]:
    """`used` are the placeholders of the template."""
    template = spec.trial_template
    names = {parameter.name for parameter in spec.parameters}
    known = ", ".join(sorted(names))
    unread = template.config_map is not None and template.manifest is None
    for index, entry in enumerate(template.trial_parameters):
        place = (*where, "trialParameters", index)
        if not entry.name or "{" in entry.name or "}" in entry.name:
            yield Problem((*place, "name"), f"{entry.name!r} must be non-empty, without braces")
        if METADATA.match(entry.reference):
            if unread:
                continue  # what it refers to is not known yet
            try:
                metadata_value(entry.reference, template, "trial", "namespace")
            except TemplateError as error:
                yield Problem((*place, "reference"), str(error))
        elif names and entry.reference not in names:
            yield Problem(
                (*place, "reference"),
                f"{entry.reference!r} is not a declared parameter; declared: {known}",
            )
        if entry.name not in used and not unread:
            yield Problem(
                (*place, "name"),
                f"${{trialParameters.{entry.name}}} does not occur in the template; use it there",
            )
    for field in ("name", "reference"):
        for value in repeated(getattr(entry, field) for entry in template.trial_parameters):
            yield Problem((*where, "trialParameters"), f"the {field} {value!r} is listed twice")
