"""Points to try first, and results of earlier runs that the search learns from."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field

from events.model import Many, MappingKey, SpecPart, Text
from events.spec.problem import Path, Problem
from events.spec.space import Scalar

MOST_POINTS = 1_000
MOST_ROWS = 1_000
MOST_BYTES = 512 * 1024
"""Of the rows, written as JSON: they are part of a fact, which has to fit into one record of
Kafka."""
PartialAssignment = Mapping[MappingKey, Scalar]
"""A point to try first: values of some or all parameters."""


class Row(SpecPart):
    """A result of an earlier run: its parameters, and the value of the objective."""

    parameters: Annotated[dict[MappingKey, Scalar], Many]
    value: float


class WarmStart(SpecPart):
    """Results that the search learns before the first trial: `rows`, or where to find them.

    When the experiment is admitted, the rows of a `file` or of earlier experiments are put in here;
    None until then.
    """

    rows: Annotated[tuple[Row, ...], Many] | None = None
    file: Text | None = None
    """CSV or JSON lines, relative to the experiment file; read by the command line."""
    experiment: Text | Annotated[tuple[Text, ...], Many] = Field(default=())
    """Names of earlier experiments in the same namespace."""

    @property
    def experiments(self) -> tuple[str, ...]:
        return (self.experiment,) if isinstance(self.experiment, str) else self.experiment

    def same_source(self, other: "WarmStart") -> bool:
        """Do both look for their rows in the same place?"""
        named = self.file is not None or bool(self.experiments)
        return named and (self.file, self.experiments) == (other.file, other.experiments)


def written_size(rows: tuple[Row, ...]) -> int:
    """Bytes of the rows as JSON."""
    return sum(len(row.model_dump_json().encode()) + 1 for row in rows)


def warm_start_problems(
    suggested: tuple[PartialAssignment, ...], warm: WarmStart | None
) -> Iterator[Problem]:
    """What is wrong with them, as far as it can be seen without the search space."""
    if len(suggested) > MOST_POINTS:
        yield Problem(
            ("spec", "suggested"),
            f"{len(suggested):,} points are too many; at most {MOST_POINTS:,} are allowed",
        )
    if warm is None:
        return
    where: Path = ("spec", "warmStart")
    if sum((warm.rows is not None, warm.file is not None, bool(warm.experiments))) != 1:
        yield Problem(where, "give exactly one of rows, file and experiment")
    if warm.rows is not None:
        yield from rows_problems(warm.rows, (*where, "rows"))
    for name in {name for name in warm.experiments if warm.experiments.count(name) > 1}:
        yield Problem((*where, "experiment"), f"{name!r} is listed twice")


def rows_problems(rows: tuple[Row, ...], place: Path) -> Iterator[Problem]:
    """Are there too many rows, or too many bytes in them?"""
    if len(rows) > MOST_ROWS:
        yield Problem(place, f"{len(rows):,} rows are too many; keep the best {MOST_ROWS:,}")
    elif written_size(rows) > MOST_BYTES:
        yield Problem(
            place, f"the rows have more than {MOST_BYTES // 1024} KiB; keep the best of them"
        )
