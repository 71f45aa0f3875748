"""Reports the evaluations of XGBoost."""

from __future__ import annotations

from typing import Any

from xgboost.callback import TrainingCallback
from xgboost.collective import get_rank

from trialstream_report import report

__all__ = ["ReportCallback"]


class ReportCallback(TrainingCallback):
    """`xgboost.train(..., evals=[(dtest, "test")], callbacks=[ReportCallback()])`.

    Each round reports what XGBoost prints, as `test-rmse`; `step` is the round, from 0. Of a
    cross-validation, the means are reported.
    """

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Go on with the training."""
        if get_rank() == 0:
            latest = {
                f"{data}-{metric}": values[-1]
                for data, metrics in evals_log.items()
                for metric, values in metrics.items()
            }
            means = {
                name: value[0] if isinstance(value, tuple) else value
                for name, value in latest.items()
            }
            report(means, step=epoch)
        return False
