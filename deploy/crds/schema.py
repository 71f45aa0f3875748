"""JSON Schemas of pydantic → structural schemas, which Kubernetes requires."""

from collections.abc import Mapping
from typing import Any

KEPT = (
    "type",
    "description",
    "enum",
    "minimum",
    "maximum",
    "pattern",
    "maxLength",
    "maxItems",
    "required",
)
"""Keywords that mean the same in both; defaults are filled in by the controller."""
ANYTHING = {"x-kubernetes-preserve-unknown-fields": True}
LARGEST_BOUND = 2**53
"""The API server reads bounds as doubles, and 2^63 as a negative number: refused there would be all
integers. It knows none beyond 64 bits anyway."""
LONGEST_LIST = 1_000
"""Items of parameters, settings and so on; CEL refuses rules on lists without a bound."""


def structural_schema(schema: Mapping[str, Any], *, closed: bool) -> dict[str, Any]:
    """The schema of a model. `closed`: unknown fields are refused or dropped; otherwise they are
    kept."""
    converted = _convert(schema, schema.get("$defs", {}))
    return converted if closed else {**converted, **ANYTHING}


def _convert(schema: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        found = {
            **known[schema["$ref"].rpartition("/")[2]],
            **{k: v for k, v in schema.items() if k != "$ref"},
        }
        return _convert(found, known)
    if "allOf" in schema and len(schema["allOf"]) == 1:
        return _convert(
            {**schema["allOf"][0], **{k: v for k, v in schema.items() if k != "allOf"}}, known
        )
    if "anyOf" in schema:
        return _convert_union(schema, known)
    converted = {key: schema[key] for key in KEPT if key in schema}
    if "exclusiveMinimum" in schema:
        converted |= {"minimum": schema["exclusiveMinimum"], "exclusiveMinimum": True}
    for bound in ("minimum", "maximum"):
        if abs(converted.get(bound, 0)) > LARGEST_BOUND:
            del converted[bound]
    match schema.get("type"):
        case "object":
            converted |= _convert_object(schema, known)
        case "array":
            converted["items"] = _convert_items(schema, known)
            converted["maxItems"] = min(converted.get("maxItems", LONGEST_LIST), LONGEST_LIST)
        case None:
            converted |= ANYTHING
    return converted


def _convert_union(schema: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """An optional type is that type; for a union of several, anything is accepted, and the
    controller checks it."""
    choices = [one for one in schema["anyOf"] if one.get("type") != "null"]
    description = {"description": schema["description"]} if "description" in schema else {}
    if len(choices) == 1:
        return {**_convert(choices[0], known), **description}
    return {**description, **ANYTHING}


def _convert_object(schema: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    if "properties" in schema:
        return {
            "properties": {name: _convert(one, known) for name, one in schema["properties"].items()}
        }
    values = schema.get("additionalProperties")
    if isinstance(values, dict) and values:
        return {"additionalProperties": _convert(values, known)}
    return dict(ANYTHING)


def _convert_items(schema: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    if "prefixItems" in schema:
        return dict(ANYTHING)
    return _convert(schema.get("items", {}), known)
