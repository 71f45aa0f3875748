"""JSON Schemas of pydantic → the structural schemas that Kubernetes takes."""

from collections.abc import Mapping
from typing import Any

KEPT = ("type", "description", "enum", "minimum", "maximum", "pattern", "maxLength", "maxItems", "required")
"""Bounds of Kubernetes that JSON Schema words alike; defaults are filled in by the controller."""
ANYTHING = {"x-kubernetes-preserve-unknown-fields": True}
LONGEST_LIST = 1_000
"""Parameters, settings and the like; without a bound CEL could not afford to look at them."""


def structural(schema: Mapping[str, Any], *, closed: bool) -> dict[str, Any]:
    """The schema of a model. `closed`: unknown fields are errors or dropped, else they are kept."""
    written = _written(schema, schema.get("$defs", {}))
    return written if closed else {**written, **ANYTHING}


def _written(schema: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        found = {**known[schema["$ref"].rpartition("/")[2]], **{k: v for k, v in schema.items() if k != "$ref"}}
        return _written(found, known)
    if "allOf" in schema and len(schema["allOf"]) == 1:
        return _written({**schema["allOf"][0], **{k: v for k, v in schema.items() if k != "allOf"}}, known)
    if "anyOf" in schema:
        return _either(schema, known)
    written = {key: schema[key] for key in KEPT if key in schema}
    if "exclusiveMinimum" in schema:
        written |= {"minimum": schema["exclusiveMinimum"], "exclusiveMinimum": True}
    match schema.get("type"):
        case "object":
            written |= _object(schema, known)
        case "array":
            written["items"] = _items(schema, known)
            written.setdefault("maxItems", LONGEST_LIST)
        case None:
            written |= ANYTHING
    return written


def _either(schema: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """A type that may be absent is that type; of several types anything is taken, and the controller checks it."""
    choices = [one for one in schema["anyOf"] if one.get("type") != "null"]
    said = {"description": schema["description"]} if "description" in schema else {}
    if len(choices) == 1:
        return {**_written(choices[0], known), **said}
    return {**said, **ANYTHING}


def _object(schema: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    if "properties" in schema:
        return {"properties": {name: _written(one, known) for name, one in schema["properties"].items()}}
    values = schema.get("additionalProperties")
    if isinstance(values, dict) and values:
        return {"additionalProperties": _written(values, known)}
    return dict(ANYTHING)


def _items(schema: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    if "prefixItems" in schema:
        return dict(ANYTHING)
    return _written(schema.get("items", {}), known)
