"""What every piece of the spec and every message shares: pydantic's settings, and types with
bounds, so that whatever can be read can also be stored."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)
from pydantic.alias_generators import to_camel

LONGEST_SECONDS = 100 * 365 * 24 * 3600
"""A century: longer limits are mistakes, and dates end."""
LONGEST_TEXT = 512 * 1024
"""Characters of one text; as many as an experiment file and the rows of its warm start may have
bytes."""
LONGEST_NAME = 253
"""Characters of the name of an experiment or a namespace, as in Kubernetes."""
LONGEST_MESSAGE = 10_000
"""Characters of what a workload or a program says; the rest is cut off."""
MOST_PARALLEL = 10_000
"""Trials of one experiment at a time: each decision on it reads and writes all that are live."""
MOST_ITEMS = 50_000
"""Of a list or a mapping; as many values as an experiment file may have."""
LARGEST_INT32, LARGEST_INT64 = 2**31 - 1, 2**63 - 1
LEAST_INTEGER, LARGEST_INTEGER = -(2**63), 2**64 - 1
"""What JSON holds in 64 bits, with a sign or without."""
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, tzinfo=UTC)
"""Postgres and Python have these years, and a century before and after them in each time zone."""
WITHOUT_NUL = r"^[^\x00]*$"


def _without_nul(key: str) -> str:
    if "\0" in key:
        raise ValueError(f"the name {key!r} holds a NUL character; remove it")
    return key


def storable(text: str) -> str:
    """The text without what Postgres cannot hold: NUL and lone surrogates are replaced."""
    if not text.isascii():
        text = text.encode(errors="replace").decode()
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def cleaned(text: object) -> object:
    """A text that can be stored, of which what is too long is cut."""
    return storable(text)[:LONGEST_MESSAGE] if isinstance(text, str) else text


Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT, pattern=WITHOUT_NUL)]
"""What people write in a spec."""
MappingKey = Annotated[
    str, StringConstraints(max_length=LONGEST_TEXT), AfterValidator(_without_nul)
]
"""The same as the name of a value in a mapping."""
Name = Annotated[str, StringConstraints(max_length=LONGEST_NAME, pattern=WITHOUT_NUL)]
"""Of an experiment or a namespace."""
MessageText = Annotated[str, BeforeValidator(cleaned), Field(max_length=LONGEST_MESSAGE)]
"""What something says in its own words: never refused, as nobody could say it again."""
Int32 = Annotated[int, Field(ge=-LARGEST_INT32 - 1, le=LARGEST_INT32)]
Int64 = Annotated[int, Field(ge=-LARGEST_INT64 - 1, le=LARGEST_INT64)]
Count = Annotated[int, Field(ge=0, le=LARGEST_INT32)]
Positive = Annotated[int, Field(ge=1, le=LARGEST_INT32)]
Parallel = Annotated[int, Field(ge=1, le=MOST_PARALLEL)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_INT64)]
Time = Annotated[AwareDatetime, Field(ge=EARLIEST, le=LATEST)]
Many = Field(max_length=MOST_ITEMS)
"""The bound of a list or a mapping: `Annotated[tuple[Text, ...], Many]`."""


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
