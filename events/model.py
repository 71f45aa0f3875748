"""The pydantic settings that every piece of the spec and every fact shares."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

LONGEST_SECONDS = 100 * 365 * 24 * 3600
"""A century: longer limits are mistakes, and dates end."""


class SpecPart(BaseModel):
    """A piece of a spec: strict, camelCase as in YAML, unknown fields are errors."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )


class Message(BaseModel):
    """A fact, a signal or a batch of measurements; readers may be older, so unknown fields are
    ignored."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, extra="ignore")
