"""Reports the logs of Keras."""

from __future__ import annotations

from typing import Any

from keras.callbacks import Callback

from trialstream_report import report

__all__ = ["ReportCallback"]


class ReportCallback(Callback):
    """`model.fit(..., callbacks=[ReportCallback()])`.

    Each epoch reports its logs, such as `loss` and `val_accuracy`; `step` is the epoch, from 0.
    """

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        report(logs, step=epoch)
