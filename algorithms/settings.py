"""The settings of an algorithm: a schema that reads them, and describes them to people."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from events.spec.algorithm import AlgorithmSpec
from events.spec.problem import Path, Problem

KINDS = {"integer": "int", "number": "float", "boolean": "true/false"}
LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
"""Types and bounds of JSON Schema in words."""


class AlgorithmSettings(BaseModel):
    """The typed settings of one algorithm; a subclass lists them with defaults, bounds and a
    description each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def of(cls, spec: AlgorithmSpec | None) -> Self:
        """The settings of a valid `spec`, or the defaults; numbers may be strings, as in Katib.

        Raises pydantic.ValidationError.
        """
        return cls.model_validate(
            {name: str(value) for name, value in (spec.settings if spec else {}).items()}
        )


@dataclass(frozen=True, slots=True)
class SettingEntry:
    """One setting as the catalogue shows it."""

    name: str
    type: str
    default: str
    allowed: str
    summary: str


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One algorithm as the catalogue shows it."""

    name: str
    summary: str
    settings: tuple[SettingEntry, ...]


def catalogue_entry(name: str, summary: str, schema: type[AlgorithmSettings]) -> CatalogueEntry:
    """The catalogue's entry for an algorithm with this schema of settings."""
    return CatalogueEntry(name, summary, tuple(_setting_entries(schema)))


def _setting_entries(schema: type[AlgorithmSettings]) -> Iterator[SettingEntry]:
    for name, field in schema.model_fields.items():
        default = "none" if field.default is None else str(field.default)
        kind = "word" if _words(schema, name) else KINDS[_shape(schema, name)["type"]]
        yield SettingEntry(name, kind, default, allowed(schema, name), field.description or "")


def allowed(schema: type[AlgorithmSettings], name: str) -> str:
    """What the value of a setting may be, in words, such as `a whole number, at least 0`."""
    words, shape = _words(schema, name), _shape(schema, name)
    if words:
        return f"one of {', '.join(words)}"
    if shape["type"] == "boolean":
        return "true or false"
    limits = [f"{words} {shape[limit]:g}" for limit, words in LIMITS.items() if limit in shape]
    return ", ".join(["a whole number" if shape["type"] == "integer" else "a number", *limits])


def _words(schema: type[AlgorithmSettings], name: str) -> list[str]:
    annotation = schema.model_fields[name].annotation
    return (
        [str(word) for word in annotation]
        if isinstance(annotation, type) and issubclass(annotation, StrEnum)
        else []
    )


def _shape(schema: type[AlgorithmSettings], name: str) -> dict[str, Any]:
    """The JSON schema of a setting; of `int | None`, that of `int`."""
    shape: dict[str, Any] = schema.model_json_schema()["properties"][name]
    options: list[dict[str, Any]] = shape.get("anyOf", [shape])
    return options[0]


def setting_problems(
    spec: AlgorithmSpec, schema: type[AlgorithmSettings], place: Path
) -> Iterator[Problem]:
    """Problems of the settings of `spec`, which are at `place` in the document."""
    names = [setting.name for setting in spec.algorithm_settings]
    wrong = _wrong(spec, schema)
    for index, setting in enumerate(spec.algorithm_settings):
        if setting.name not in schema.model_fields:
            known = ", ".join(schema.model_fields) or "none"
            yield Problem(
                (*place, index, "name"),
                f"{setting.name!r} is not a setting of {spec.algorithm_name}; it has: {known}",
            )
        elif setting.name in names[:index]:
            yield Problem((*place, index, "name"), f"{setting.name!r} is listed twice; remove one")
        elif setting.name in wrong:
            must = allowed(schema, setting.name)
            yield Problem(
                (*place, index, "value"),
                f"{setting.value!r} is not allowed for {setting.name}; give {must}",
            )


def _wrong(spec: AlgorithmSpec, schema: type[AlgorithmSettings]) -> set[str]:
    try:
        schema.of(spec)
    except ValidationError as error:
        return {str(detail["loc"][0]) for detail in error.errors()}
    return set()
