"""What the API server itself refuses: edits that Katib refuses, and files that the controller would
refuse, as far as CEL can say it. The controller says the rest in the object."""

from collections.abc import Iterable, Iterator
from typing import Any

from events.metrics import MAX_METRIC_NAME
from events.spec.defaults import KINDS_WITH_CONDITIONS
from events.spec.experiment import DEFAULT_PARALLEL

Schema = dict[str, Any]
EDITABLE = ("parallelTrialCount", "maxTrialCount", "maxFailedTrialCount")
LONGEST_NUMBER, LONGEST_PATH = 64, 4_096
NUMBER = r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$"
RULES = "x-kubernetes-validations"
_EXISTS = "has(self.status) && has(self.status.state)"
"""A new object has no status. What has one is looked at by the controller, and can be deleted."""
_REFUSED = "has(oldSelf.status) && has(oldSelf.status.state) && oldSelf.status.state == 'Refused'"
"""What was refused may be corrected."""
_ENDED = "oldSelf.status.conditions.exists(c, c.status == 'True' && "


def add_rules(schema: Schema, *, strict: bool) -> None:
    """`schema`: of a whole Experiment; `strict`: of our own group, where numbers need no quotes."""
    spec = schema["properties"]["spec"]
    _add(schema, _of_the_object(spec))
    _add(spec, [*_counts(strict), *_sources(spec, strict)])
    objectives = [spec["properties"]["objective"]]
    if strict:
        objectives.append(spec["properties"]["objectives"]["items"])
    for objective in objectives:
        _objective(objective)
    _template(spec["properties"]["trialTemplate"], strict)
    parameters = spec["properties"]["parameters"]
    _named(parameters)
    if not strict:  # in our own group numbers need no quotes: then they have no type
        _texts(parameters["items"]["properties"]["feasibleSpace"]["properties"])
        _add(parameters["items"], _values())
    for name in ("algorithm", "earlyStopping"):
        spec["properties"][name]["properties"]["algorithmName"]["minLength"] = 1
    _collector(spec["properties"]["metricsCollectorSpec"])


def _add(schema: Schema, rules: Iterable[Schema]) -> None:
    schema[RULES] = [*schema.get(RULES, ()), *rules]


def _rule(rule: str, message: str, field: str = "") -> Schema:
    return {"rule": rule, "message": message, **({"fieldPath": field} if field else {})}


def _of_the_object(spec: Schema) -> Iterator[Schema]:
    yield _rule(
        f"{_EXISTS} || (self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && "
        "size(self.metadata.name) <= 40)",
        "metadata.name: at most 40 characters of a-z, 0-9 and -, first a letter, not - at the end",
    )
    yield _rule(
        "!has(self.spec.parallelTrialCount) || self.spec.parallelTrialCount > 0 || "
        f"({_EXISTS} && self.status.state != 'Refused')",
        "spec.parallelTrialCount must be greater than 0; 0 pauses an experiment that is there",
        ".spec.parallelTrialCount",
    )
    allowed = ", ".join(f"spec.{name}" for name in EDITABLE)
    for name, schema in spec["properties"].items():
        if name not in EDITABLE and _is_visible(schema):
            yield _rule(
                f"({_REFUSED}) || ({_same(name)})",
                f"spec.{name} may not change: editable are {allowed}; for another {name} make a "
                "new experiment",
                f".spec.{name}",
            )
    yield _rule(
        f"({_REFUSED}) || ({' && '.join(f'({_same(name)})' for name in EDITABLE)}) || "
        "!has(oldSelf.status) || !has(oldSelf.status.conditions) || "
        f"!{_ENDED}c.type in ['Succeeded', 'Failed', 'Stopped']) || "
        f"({_ENDED}c.type == 'Succeeded' && c.reason == 'ExperimentMaxTrialsReached') && "
        "has(self.spec.resumePolicy) && self.spec.resumePolicy in ['LongRunning', 'FromVolume'])",
        "the experiment is over; only one that ended because its trials were spent can run again, "
        "with spec.resumePolicy LongRunning or FromVolume",
        ".spec.resumePolicy",
    )


def _same(name: str) -> str:
    new, old = f"self.spec.{name}", f"oldSelf.spec.{name}"
    return f"has({new}) == has({old}) && (!has({new}) || {new} == {old})"


def _is_visible(schema: Schema) -> bool:
    """A rule cannot use a field whose values have no type, nor a list or map of such values."""
    if "items" in schema:
        return _is_visible(schema["items"])
    if "additionalProperties" in schema:
        return _is_visible(schema["additionalProperties"])
    return "type" in schema


def _counts(strict: bool) -> Iterator[Schema]:
    for name in ("parallelTrialCount", "maxFailedTrialCount"):
        value = f"!has(self.{name}) || self.{name}"
        if name == "parallelTrialCount" and not strict:
            value = f"(has(self.{name}) ? self.{name} : {DEFAULT_PARALLEL})"
        yield _rule(
            f"!has(self.maxTrialCount) || {value} <= self.maxTrialCount",
            f"spec.{name} must not be more than spec.maxTrialCount; lower it, or raise that"
            + ("" if strict or "Failed" in name else f" (not given, it is {DEFAULT_PARALLEL})"),
            f".{name}" if strict or "Failed" in name else "",
        )


def _sources(spec: Schema, strict: bool) -> Iterator[Schema]:
    """What must be there, and what only once."""
    required = ["trialTemplate"] if strict else ["objective", "algorithm", "trialTemplate"]
    spec["required"] = [*spec.get("required", ()), *required]
    yield _rule(
        "(has(self.parameters) && size(self.parameters) > 0) != has(self.nasConfig)",
        "spec.parameters: give parameters to tune (or nasConfig, and not both)",
        ".parameters",
    )
    if strict:
        yield _rule(
            "has(self.objective) != (has(self.objectives) && size(self.objectives) > 0)",
            "spec.objective: say what to optimise, in objective or in objectives",
            ".objective",
        )


def _objective(objective: Schema) -> None:
    metric = objective["properties"]["objectiveMetricName"]
    metric |= {"minLength": 1, "maxLength": MAX_METRIC_NAME}
    others, message = (
        "self.additionalMetricNames",
        "additionalMetricNames must not repeat the objective",
    )
    rule = f"!has({others}) || !(self.objectiveMetricName in {others})"
    _add(objective, [_rule(rule, message, ".additionalMetricNames")])


def _template(template: Schema, strict: bool) -> None:
    parts = template["properties"]
    text = {"type": "string", "minLength": 1}
    absent = "metadata.name and metadata.namespace must be absent; each trial gets its own"
    metadata = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "namespace": {"type": "string"}},
        "x-kubernetes-preserve-unknown-fields": True,
        RULES: [_rule("!has(self.name) && !has(self.namespace)", absent)],
    }
    parts["trialSpec"] |= {
        "required": ["apiVersion", "kind"],
        "properties": {"apiVersion": text, "kind": text, "metadata": metadata},
    }
    _named(parts["trialParameters"])
    sources = "has(self.trialSpec) != has(self.configMap)"
    if strict:  # then there may be a command, which no rule can see
        sources = "!(has(self.trialSpec) && has(self.configMap))"
    program = "(!has(self.trialSpec) && !has(self.configMap)) || " if strict else ""
    rules = [
        _rule(sources, "spec.trialTemplate: give exactly one of trialSpec and configMap"),
        _rule(
            f"{program}(has(self.primaryContainerName) && self.primaryContainerName != '')",
            "primaryContainerName is required: the name of the container that trains",
            ".primaryContainerName",
        ),
        _rule(
            f"{program}(has(self.trialParameters) && size(self.trialParameters) > 0)",
            "trialParameters is required: which placeholder stands for which parameter",
            ".trialParameters",
        ),
    ]
    kinds = ", ".join(f"'{kind}'" for kind in KINDS_WITH_CONDITIONS)
    for name in ("successCondition", "failureCondition"):
        rules.append(
            _rule(
                f"{program}(has(self.{name}) && self.{name} != '') || "
                f"(has(self.trialSpec) && self.trialSpec.kind in [{kinds}])",
                f"{name} is required for this kind: a GJSON path that holds when the trial has "
                "ended so",
                f".{name}",
            )
        )
    _add(template, rules)


def _named(items: Schema) -> None:
    """The server sees to it that names differ."""
    items |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}


def _values() -> Iterator[Schema]:
    """What the values of a parameter are given by, and how their bounds lie."""
    space, ranged = "self.feasibleSpace", "self.parameterType in ['double', 'int']"
    yield _rule(
        f"({ranged}) != (has({space}) && has({space}.list) && size({space}.list) > 0)",
        "feasibleSpace.list is needed for the types discrete and categorical, and for no other",
        ".feasibleSpace.list",
    )
    yield _rule(
        f"!({ranged}) || (has({space}) && has({space}.min) && has({space}.max))",
        "feasibleSpace.min and max are needed for the types double and int",
        ".feasibleSpace",
    )
    some = f"has({space}.min) || has({space}.max) || has({space}.step)"
    yield _rule(
        f"{ranged} || !has({space}) || !({some})",
        "feasibleSpace.min, max and step are for the types double and int",
        ".feasibleSpace",
    )
    both = f"has({space}) && has({space}.min) && has({space}.max)"
    yield _rule(
        f"!({both}) || double({space}.min) <= double({space}.max)",
        "feasibleSpace.min is greater than max; swap them",
        ".feasibleSpace.min",
    )
    yield _rule(
        f"!(has({space}) && has({space}.step)) || double({space}.step) > 0.0",
        "feasibleSpace.step must be greater than 0",
        ".feasibleSpace.step",
    )
    logarithmic = f"{space}.distribution in ['logUniform', 'logNormal']"
    yield _rule(
        f"!({both} && has({space}.distribution) && {logarithmic}) || double({space}.min) > 0.0",
        "feasibleSpace.min must be greater than 0 for logUniform and logNormal",
        ".feasibleSpace.min",
    )


def _texts(space: Schema) -> None:
    """Katib's type: numbers are texts."""
    for name in ("min", "max", "step"):
        space[name] = {"type": "string", "pattern": NUMBER, "maxLength": LONGEST_NUMBER}
    space["list"]["items"] = {"type": "string", "maxLength": LONGEST_PATH}


def _collector(collector: Schema) -> None:
    source = collector["properties"]["source"]
    path = source["properties"]["fileSystemPath"]
    path["properties"]["path"]["maxLength"] = LONGEST_PATH
    file = "has(self.collector) && has(self.collector.kind) && self.collector.kind == 'File'"
    given = "has(self.source) && has(self.source.fileSystemPath)"
    place = "self.source.fileSystemPath"
    rules = [
        _rule(
            f"!({file} && {given} && has({place}.path)) || {place}.path.startsWith('/')",
            "source.fileSystemPath.path must be absolute",
            ".source.fileSystemPath.path",
        ),
        _rule(
            f"!({file} && {given} && has({place}.kind)) || {place}.kind == 'File'",
            "source.fileSystemPath.kind must be File for the collector File",
            ".source.fileSystemPath.kind",
        ),
        _rule(
            f"!({given} && has({place}.format) && {place}.format == 'JSON') || "
            "!has(self.source.filter)",
            "source.filter cannot be used with format JSON; remove it",
            ".source.filter",
        ),
    ]
    _add(collector, rules)
