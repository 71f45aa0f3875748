"""From a YAML document to a complete and valid ExperimentSpec, or to all problems of the document
at once."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from events.spec.collector import CollectorKind
from events.spec.converted import converted_words
from events.spec.defaults import with_defaults
from events.spec.experiment import ExperimentSpec
from events.spec.head import KATIB as KATIB
from events.spec.head import OURS as OURS
from events.spec.head import head_problems, unstorable
from events.spec.hints import changed_words, katib_report, shell_words, text_objective, unknown_file
from events.spec.problem import Path, Problem, text_of
from events.spec.validation import problems
from events.spec.yaml import DocumentError, read

ADDITIONS = (
    "objectives", "constraints", "outcomeConstraints", "budget", "retry", "seed", "suggested",
    "warmStart",
)  # fmt: skip
PLACES_OF_ADDITIONS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    (): ADDITIONS,
    ("objective",): ("reference",),
    ("trialTemplate",): ("command", "timeoutSeconds"),
    ("metricsCollectorSpec", "source", "filter"): ("preset",),
}
CONFIG_MAP_ADDITIONS = ("template",)
NUMERIC = ("min", "max", "step")


_SCALAR_TYPES = ("bool_type", "int_type", "float_type", "string_type")
_SCALAR_BRANCHES = ("bool", "constrained-int", "float", "constrained-str")


class InvalidDocumentError(DocumentError):
    """A document with problems; `problems` lists each with its place."""

    def __init__(self, found: list[Problem], lines: Mapping[Path, int]) -> None:
        self.problems = found
        super().__init__("\n".join(_sentence(problem, lines) for problem in found))


@dataclass(frozen=True, slots=True)
class ExperimentDocument:
    """An experiment as a person wrote it, defaults filled in."""

    name: str
    namespace: str
    spec: ExperimentSpec
    labels: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def load(text: bytes) -> ExperimentDocument:
    """Read and check `text`; raise DocumentError (InvalidDocumentError if it is YAML) otherwise."""
    document = read(text)
    loaded = load_tree(document.tree, document.lines)
    return replace(loaded, warnings=(*loaded.warnings, *changed_words(document, loaded.spec)))


def load_object(tree: dict[str, Any]) -> ExperimentDocument:
    """As `load`, of an object of the cluster, whose YAML kubectl has read."""
    loaded = load_tree(tree, {})
    if found := list(converted_words(tree)):
        raise InvalidDocumentError(found, {})
    return loaded


def load_tree(tree: dict[str, Any], lines: Mapping[Path, int]) -> ExperimentDocument:
    """As `load`, of what was parsed already; `lines` of the text by path, if there was one."""
    katib = tree.get("apiVersion") == KATIB
    found = head_problems(tree) or list(unstorable(tree))
    if found:
        raise InvalidDocumentError(found, lines)
    warnings: list[str] = []
    body = tree["spec"]
    if katib:
        found += _katib_strings(body)
        body = _without_additions(body, lines, warnings)
    found += _foreign_fields(body)
    spec, shape_problems = _shaped(body, lines, warnings, forgiving=katib)
    found += shape_problems
    if spec is not None:
        spec = with_defaults(spec, katib=katib)
        found += problems(spec, katib=katib)
    if found or spec is None:
        raise InvalidDocumentError(found, lines)
    metadata = tree["metadata"]
    labels = {str(key): str(value) for key, value in (metadata.get("labels") or {}).items()}
    warnings += [
        *shell_words(spec),
        *unknown_file(spec),
        *text_objective(spec),
        *(katib_report(spec) if katib else ()),
    ]
    return ExperimentDocument(
        metadata["name"], metadata.get("namespace") or "default", spec, labels, tuple(warnings)
    )


def _foreign_fields(body: dict[str, Any]) -> Iterator[Problem]:
    """Fields that are written when an experiment is admitted."""
    template = body.get("trialTemplate")
    source = template.get("configMap") if isinstance(template, dict) else None
    for name in CONFIG_MAP_ADDITIONS:
        if isinstance(source, dict) and source.get(name) is not None:
            place: Path = ("spec", "trialTemplate", "configMap", name)
            yield Problem(place, "is read from the ConfigMap; remove it")


def _katib_strings(body: dict[str, Any]) -> list[Problem]:
    """Katib's types demand strings where people like to write numbers; its API server refuses
    numbers there."""
    found: list[Problem] = []
    remedy = f"must be a string: put it in quotes, or use apiVersion {OURS}"

    def demand(value: object, path: Path) -> None:
        if isinstance(value, int | float):
            found.append(Problem(path, f"{value!r} {remedy}"))

    for index, parameter in enumerate(_items(body, "parameters")):
        space = parameter.get("feasibleSpace")
        if not isinstance(space, dict):
            continue
        path: Path = ("spec", "parameters", index, "feasibleSpace")
        for name in NUMERIC:
            demand(space.get(name), (*path, name))
        values = space.get("list")
        for at, value in enumerate(values if isinstance(values, list) else ()):
            demand(value, (*path, "list", at))
    for name in ("algorithm", "earlyStopping"):
        part = body.get(name)
        for index, setting in enumerate(
            _items(part, "algorithmSettings") if isinstance(part, dict) else ()
        ):
            demand(setting.get("value"), ("spec", name, "algorithmSettings", index, "value"))
    return found


def _items(tree: dict[str, Any], name: str) -> list[dict[str, Any]]:
    items = tree.get(name)
    return (
        [item if isinstance(item, dict) else {} for item in items]
        if isinstance(items, list)
        else []
    )


def _without_additions(
    body: dict[str, Any], lines: Mapping[Path, int], warnings: list[str]
) -> dict[str, Any]:
    """The body without our additions: Katib drops fields that it does not know; so do we, with a
    warning."""
    body = dict(body)
    for place, additions in PLACES_OF_ADDITIONS.items():
        part = _copied(body, place)
        for name in additions:
            if part.pop(name, None) is not None:
                why = f"; it is an addition of Trialstream: use apiVersion {OURS}"
                warnings.append(_ignored(("spec", *place, name), lines, why))
    collector = (
        (body.get("metricsCollectorSpec") or {})
        if isinstance(body.get("metricsCollectorSpec"), dict)
        else {}
    )
    if (
        isinstance(collector.get("collector"), dict)
        and collector["collector"].get("kind") == "None"
    ):
        body["metricsCollectorSpec"] = {
            **collector,
            "collector": {**collector["collector"], "kind": CollectorKind.PUSH.value},
        }
    return body


def _copied(body: dict[str, Any], place: tuple[str, ...]) -> dict[str, Any]:
    """A copy of the mapping at `place` that has taken its place; an empty one if there is none."""
    part = body
    for name in place:
        if not isinstance(part.get(name), dict):
            return {}
        part[name] = dict(part[name])
        part = part[name]
    return part


def _shaped(
    body: dict[str, Any], lines: Mapping[Path, int], warnings: list[str], *, forgiving: bool
) -> tuple[ExperimentSpec | None, list[Problem]]:
    """Validate the shape. With `forgiving`, unknown fields are dropped with a warning."""
    body = _without_nulls(body)
    try:
        return ExperimentSpec.model_validate_json(
            json.dumps(body), by_alias=True, by_name=False
        ), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    unknown = [one for one in details if one["type"] == "extra_forbidden"]
    if forgiving and unknown and len(unknown) == len(details):
        for one in unknown:
            _drop(body, one["loc"])
            warnings.append(_ignored(("spec", *one["loc"]), lines, ""))
        return _shaped(body, lines, warnings, forgiving=False)
    shown = [one for one in details if not (forgiving and one["type"] == "extra_forbidden")]
    return None, list(dict.fromkeys(_problem(one) for one in shown))


def _problem(error: ErrorDetails) -> Problem:
    """pydantic reports one error for each type that a scalar may have; a person needs one
    sentence."""
    path: Path = ("spec", *error["loc"])
    if error["type"] in _SCALAR_TYPES and path[-1] in _SCALAR_BRANCHES:
        return Problem(path[:-1], "must be a word, a number, true or false")
    return Problem(path, _plain(error))


def _without_nulls(tree: Any) -> Any:
    """`field:` without a value is the same as no field, as in Kubernetes; a template keeps its
    nulls."""
    if isinstance(tree, dict):
        return {
            str(key): value if key == "trialSpec" else _without_nulls(value)
            for key, value in tree.items()
            if value is not None
        }
    return [_without_nulls(item) for item in tree] if isinstance(tree, list) else tree


def _drop(tree: Any, path: Path) -> None:
    for step in path[:-1]:
        tree = tree[step]
    del tree[path[-1]]


def _plain(error: ErrorDetails) -> str:
    """pydantic's message in the words of the person who wrote the file."""
    value = error["input"]
    shown = "" if isinstance(value, dict | list) else f"{json.dumps(value, default=str)[:80]}: "
    match error["type"]:
        case "extra_forbidden":
            return "unknown field; see docs/experiment.md for the fields"
        case "missing":
            return "is required"
        case "enum":
            return f"{shown}allowed are {error['ctx']['expected']}"
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            message = error["msg"].removeprefix("Input ")
            return f"{shown}{message[0].lower()}{message[1:]}"


def _ignored(path: Path, lines: Mapping[Path, int], why: str) -> str:
    return f"{_place(path, lines)} is ignored{why or ', as Katib does: it is an unknown field'}"


def _sentence(problem: Problem, lines: Mapping[Path, int]) -> str:
    """One line, also where a name or a value has several."""
    return f"{_place(problem.path, lines)}: {problem.message}".replace("\n", "\\n")


def _place(path: Path, lines: Mapping[Path, int]) -> str:
    known = path
    while known and known not in lines:
        known = known[:-1]
    return f"line {lines[known]}, {text_of(path)}" if known else text_of(path)
