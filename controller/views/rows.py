"""Trials as flat rows for files: one row a trial, the same columns in CSV and JSON."""

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from controller.core.experiment import Experiment
from controller.store.queries.trials import TrialRow
from events.ids import TrialNumber, trial_name
from events.spec.outcomes import feasible

HEAD = ("number", "name", "state", "cause", "attempt")
TAIL = ("value", "exitCode", "message", "proposedAt", "startedAt", "concludedAt")
EXTREMES = ("min", "max", "latest")
TEXT = ("text",)
"""What there is of a metric that is a text."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a formula begins to a spreadsheet; the last four are the wide =, +, - and @."""
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")


class Columns:
    """The columns of one experiment.

    A parameter has its own name, or `parameter.NAME` if another column has that.
    """

    def __init__(self, experiment: Experiment, front: Collection[TrialNumber] = ()) -> None:
        self._experiment = experiment.identity.name
        self._spec = spec = experiment.spec
        self._front = front
        reads_text = spec.metrics_collector_spec.reads_text
        self._metrics = [
            (metric, part)
            for metric in spec.metrics
            for part in (TEXT if reads_text(metric) else EXTREMES)
        ]
        metric_names = [f"{metric}.{part}" for metric, part in self._metrics]
        judged = [
            f"value.{target.metric}" for target in spec.all_objectives if spec.multi_objective
        ]
        judged += ["front"] if spec.multi_objective else []
        judged += [f"missed.{text}" for text in spec.outcome_constraints] + ["feasible"] * bool(
            spec.outcome_constraints
        )
        taken = {*HEAD, *TAIL, *metric_names, *judged}
        self._parameters = [parameter.name for parameter in spec.parameters]
        shown = [f"parameter.{name}" if name in taken else name for name in self._parameters]
        self.names: Sequence[str] = (*HEAD, *shown, *metric_names, *judged, *TAIL)

    def row(self, row: TrialRow) -> list[Any]:
        """One trial's values, in the order of `names`; None where there is none."""
        return [
            row.number,
            trial_name(self._experiment, row.number),
            row.state.value,
            row.cause.value if row.cause else None,
            row.attempt,
            *(row.assignment.get(name) for name in self._parameters),
            *(getattr(row.observation.get(metric), part, None) for metric, part in self._metrics),
            *self._judged(row),
            row.value,
            row.exit_code,
            row.message or None,
            *(
                at.isoformat() if at else None
                for at in (row.proposed_at, row.started_at, row.concluded_at)
            ),
        ]

    def _judged(self, row: TrialRow) -> Iterator[Any]:
        """The columns of several objectives and of outcome constraints; None before the trial is
        concluded."""
        if self._spec.multi_objective:
            yield from row.values or [None] * len(self._spec.all_objectives)
            yield row.number in self._front
        if self._spec.outcome_constraints:
            yield from row.violations or [None] * len(self._spec.outcome_constraints)
            yield None if None in (row.violations or (None,)) else feasible(row.violations)

    def tree(self, row: TrialRow) -> dict[str, Any]:
        """One trial as a JSON object."""
        return dict(zip(self.names, self.row(row), strict=True))


def csv_text(
    names: Sequence[str] | None, rows: Iterable[Sequence[Any]], *, safe: bool = False
) -> str:
    """Rows as CSV, with a line of names first unless it is None; floats with all their digits.

    `safe` puts an apostrophe before each text that a spreadsheet would take for a formula.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    shown = _inert if safe else _cell
    if names is not None:
        writer.writerow(map(shown, names))
    for row in rows:
        writer.writerow(["" if value is None else shown(value) for value in row])
    return text.getvalue()


def _cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _inert(value: Any) -> Any:
    """The cell, if it is a text that begins like a formula and is no number, as a text alone."""
    formula = isinstance(value, str) and value.startswith(FORMULA) and not NUMBER.fullmatch(value)
    return f"'{value}" if formula else _cell(value)
