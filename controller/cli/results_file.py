"""Read a file of earlier results, CSV or JSON lines, as the rows of a warm start."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from events.errors import RefusalError
from events.regular_file import open_regular
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Path as Place
from events.spec.problem import Problem
from events.spec.space import Scalar, number
from events.spec.tree import scalar_problem
from events.spec.warm_start import Row, rows_problems

WHERE: Place = ("spec", "warmStart", "file")
PREFIXES = ("parameter.", "params.", "params_")
"""Prefixes of parameters' columns, as `trialstream export`, MLflow and Optuna write them. None is
needed."""
SUCCEEDED = ("succeeded", "complete", "completed", "finished")
MOST_BYTES = 64 * 2**20
Record = Mapping[str, Any]


class ResultsFileError(RefusalError, ValueError):
    """The file cannot be used; the message says what to do."""


def with_file(spec: ExperimentSpec, folder: Path) -> tuple[ExperimentSpec, list[str]]:
    """The spec with the rows of the file that its warm start names, if it names one, and remarks
    about left-out lines.

    Raises ResultsFileError.
    """
    warm = spec.warm_start
    if warm is None or warm.file is None:
        return spec, []
    rows, left_out = _rows(list(_records(folder / warm.file)), spec)
    for problem in rows_problems(rows, WHERE):
        raise ResultsFileError(problem.message)
    said = [
        f"{warm.file}: {count:,} lines are left out: {reason}"
        for reason, count in left_out.most_common()
    ]
    return spec.model_copy(update={"warm_start": warm.model_copy(update={"rows": rows})}), said


def file_problem(error: ResultsFileError) -> Problem:
    """The error as a problem of the document."""
    return Problem(WHERE, str(error))


def _records(file: Path) -> Iterator[Record]:
    try:
        with open_regular(file) as opened:
            content = opened.read(MOST_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ResultsFileError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ResultsFileError(f"{file} is not UTF-8; save it in that encoding") from None
    if len(content) > MOST_BYTES:
        raise ResultsFileError(
            f"{file} has more than {MOST_BYTES // 2**20} MiB; keep the best results only"
        )
    match file.suffix.lower():
        case ".csv":
            yield from csv.DictReader(io.StringIO(text, newline=""), restval="")
        case ".jsonl":
            yield from _json_lines(text, file)
        case _:
            raise ResultsFileError(f"{file.name!r} must end with .csv or .jsonl")


def _json_lines(text: str, file: Path) -> Iterator[Record]:
    for place, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            raise ResultsFileError(
                f"line {place} of {file} is not a JSON object; write one object a line"
            )
        yield _flat(record)


def _flat(record: dict[str, Any]) -> Record:
    """The record with its inner objects `parameters`, `params` and `metrics` as columns."""
    flat = dict(record)
    for name, prefix in (
        ("parameters", "parameter."),
        ("params", "params."),
        ("metrics", "metrics."),
    ):
        inner = flat.pop(name, None)
        if isinstance(inner, dict):
            flat |= {f"{prefix}{key}": value for key, value in inner.items()}
    return flat


def _rows(records: Sequence[Record], spec: ExperimentSpec) -> tuple[tuple[Row, ...], Counter[str]]:
    """The results, and how many lines are left out for each reason."""
    names = {parameter.name for parameter in spec.parameters}
    columns = dict.fromkeys(str(name) for record in records for name in record)
    value = _value_column(list(columns), spec)
    state = next(
        (name for name in ("state", "status") if name in columns and name not in names), None
    )
    left_out: Counter[str] = Counter()
    rows: list[Row] = []
    for record in records:
        ended = str(record.get(state) or "").rpartition(".")[2] if state else SUCCEEDED[0]
        found = _number(record.get(value))
        if ended.lower() not in SUCCEEDED:
            left_out[f"{state} is {ended or 'empty'}"] += 1
        elif found is None:
            left_out[f"no finite number in {value}"] += 1
        elif wrong := next(_unstorable(parameters := _parameters(record, names)), None):
            left_out[wrong] += 1
        else:
            rows.append(Row(parameters=parameters, value=found))
    return tuple(rows), left_out


def _value_column(columns: Sequence[str], spec: ExperimentSpec) -> str:
    metric = spec.first_objective.metric
    wanted = (
        f"{metric}.{spec.first_objective.strategy(metric).value}",
        f"metrics.{metric}",
        metric,
        "value",
    )
    found = next((name for name in wanted if name in columns), None)
    if found is None:
        shown = ", ".join(columns[:20]) or "none"
        raise ResultsFileError(
            f"has no column for the objective: call it {metric} or value; columns are: {shown}"
        )
    return found


def _parameters(record: Record, names: set[str]) -> dict[str, Scalar]:
    """The parameters that have a value.

    A column with a prefix is a parameter, also if the space does not have it.
    """
    found = {name: record[name] for name in names if name in record}
    for column, value in record.items():
        prefix = next((prefix for prefix in PREFIXES if str(column).startswith(prefix)), None)
        if prefix is not None:
            found[column.removeprefix(prefix)] = value
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, bool | int | float | str) and value != ""
    }


def _unstorable(parameters: Mapping[str, Scalar]) -> Iterator[str]:
    for name, value in parameters.items():
        if wrong := scalar_problem(value):
            yield f"{name}: {wrong}"


def _number(value: Any) -> float | None:
    try:
        return float(number(value))
    except ValueError:
        return None
