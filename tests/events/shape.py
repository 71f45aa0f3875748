"""Does a JSON value have the shape of a schema? The words of JSON Schema that our schemas use, and
no others."""

from typing import Any

TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
    "integer": int,
    "number": (int, float),
}  # fmt: skip
NOTES = {
    "title", "description", "default", "format", "$schema", "$defs", "pattern", "maxLength",
    "maxProperties", "propertyNames",
}  # fmt: skip


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Raises KeyError for a word that is not known here."""
    return all(
        _word(value, word, wanted, schema, root)
        for word, wanted in schema.items()
        if word not in NOTES
    )


def _word(value: Any, word: str, wanted: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    match word:
        case "type":
            kinds = wanted if isinstance(wanted, list) else [wanted]
            return any(_is(value, kind) for kind in kinds)
        case "$ref":
            return fits(value, root["$defs"][wanted.removeprefix("#/$defs/")], root)
        case "anyOf":
            return any(fits(value, one, root) for one in wanted)
        case "const" | "enum":
            return value in ([wanted] if word == "const" else wanted)
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            return not _is(value, "number") or _bounded(value, word, wanted)
    if isinstance(value, dict):
        return _object(value, word, wanted, schema, root)
    return not isinstance(value, list) or _array(value, word, wanted, schema, root)


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _bounded(value: float, word: str, bound: float) -> bool:
    return {
        "minimum": value >= bound,
        "exclusiveMinimum": value > bound,
        "maximum": value <= bound,
        "exclusiveMaximum": value < bound,
    }[word]


def _object(
    value: dict[str, Any], word: str, wanted: Any, schema: dict[str, Any], root: dict[str, Any]
) -> bool:
    match word:
        case "required":
            return set(wanted) <= set(value)
        case "properties":
            return all(
                fits(value[name], inner, root) for name, inner in wanted.items() if name in value
            )
        case "additionalProperties":
            more = [value[name] for name in value if name not in schema.get("properties", {})]
            return (
                not more
                if wanted is False
                else wanted is True or all(fits(one, wanted, root) for one in more)
            )
    raise KeyError(word)


def _array(
    value: list[Any], word: str, wanted: Any, schema: dict[str, Any], root: dict[str, Any]
) -> bool:
    match word:
        case "items":
            return all(
                fits(one, wanted, root) for one in value[len(schema.get("prefixItems", [])) :]
            )
        case "prefixItems":
            return all(fits(one, inner, root) for one, inner in zip(value, wanted, strict=False))
        case "minItems":
            return len(value) >= int(wanted)
        case "maxItems":
            return len(value) <= int(wanted)
    raise KeyError(word)
