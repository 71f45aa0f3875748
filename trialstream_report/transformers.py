"""Reports the logs of the Trainer of Hugging Face."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from trialstream_report import report

__all__ = ["ReportCallback"]


class ReportCallback(TrainerCallback):
    """`Trainer(..., callbacks=[ReportCallback()])`.

    All that is logged is reported, such as `loss` and `eval_loss`; `step` is the global step.
    """

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **others: Any) -> None:
        if state.is_world_process_zero:
            report(logs, step=state.global_step, every_rank=True)
