"""Reports the evaluations of LightGBM."""

from __future__ import annotations

from typing import Any

from trialstream_report import report

__all__ = ["ReportCallback"]


class ReportCallback:
    """`lightgbm.train(..., valid_sets=[test], callbacks=[ReportCallback()])`.

    Each round reports its evaluations under the names that LightGBM prints, such as
    `valid_0's binary_logloss`; `step` is the round, from 0. Of a cross-validation, the means are
    reported.
    """

    order = 20
    """Before early stopping, which raises an exception."""

    def __call__(self, env: Any) -> None:
        found = env.evaluation_result_list or ()
        values = {f"{data}'s {metric}": value for data, metric, value, *_ in found}
        report(values, step=env.iteration)
