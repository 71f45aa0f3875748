"""Reports the logged metrics of PyTorch Lightning, of whichever of its two packages is used."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

from trialstream_report import report

if "pytorch_lightning" in sys.modules or find_spec("lightning") is None:
    from pytorch_lightning.callbacks import Callback
else:
    from lightning.pytorch.callbacks import Callback

__all__ = ["ReportCallback"]


class ReportCallback(Callback):  # type: ignore[misc,unused-ignore]
    """`Trainer(..., callbacks=[ReportCallback()])`.

    Each epoch of training reports all that `self.log` has logged by then, such as `val_loss`;
    `step` is the epoch, from 0.
    """

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.is_global_zero:
            report(trainer.callback_metrics, step=trainer.current_epoch, every_rank=True)
