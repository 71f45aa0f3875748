"""Reports of estimators in the way of scikit-learn, which are fitted bit by bit."""

from __future__ import annotations

from typing import Any

from trialstream_report import report

__all__ = ["ReportMonitor", "fit_epochs"]


class ReportMonitor:
    """`GradientBoostingClassifier().fit(X, y, monitor=ReportMonitor())`, and the regressor's.

    Each stage reports its loss on the training data as `train_loss`, and with `subsample` below 1
    that on what was left out as `oob_loss`; `step` is the stage, from 0.
    """

    def __call__(self, stage: int, estimator: Any, variables: Any) -> bool:
        """Go on with the fit."""
        losses = {"train_loss": estimator.train_score_[stage]}
        if estimator.subsample < 1:
            losses["oob_loss"] = estimator.oob_scores_[stage]
        report(losses, step=stage)
        return False


def fit_epochs(estimator: Any, train: Any, test: Any, *, epochs: int, **fit: Any) -> Any:
    """Call `estimator.partial_fit(*train, **fit)` once for each epoch, and report what `score` says
    of `test` as `score`; `step` is the epoch, from 0. Returns the estimator.

    `train` and `test` are pairs of samples and what they belong to.
    """
    for epoch in range(epochs):
        estimator.partial_fit(*train, **fit)
        report(step=epoch, score=estimator.score(*test))
    return estimator
