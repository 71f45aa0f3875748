"""Reports what a trial logs to MLflow: `python -m trialstream_report.mlflow` is a custom collector.

It needs MLflow, or mlflow-skinny, and MLFLOW_TRACKING_URI, as the trial does. The runs of a trial
are those with the tags in MLFLOW_RUN_CONTEXT, which MLflow itself gives to each run that a program
starts; whoever starts the trial sets it.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from threading import Event
from typing import TYPE_CHECKING

from trialstream_report import FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from mlflow import MlflowClient

TAGS = "MLFLOW_RUN_CONTEXT"
LOOK_SECONDS = 1.0
"""Between two looks at the runs."""

RESERVED = {"step", "timestamp"}
"""Names that a line of reports has for itself: metrics of MLflow that are called so are left
out."""


class Runs:
    """The runs with these tags; each value that they have logged is told once."""

    def __init__(self, client: MlflowClient, tags: Mapping[str, str], told: set[str]) -> None:
        self._client = client
        self._filter = " AND ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        self._told = told

    def new_lines(self) -> Iterator[str]:
        """What was logged since the last call, in the order of its time, as lines of reports."""
        values = [value for run in self._found() for value in self._logged(run)]
        for value in sorted(values, key=lambda one: (one.timestamp, one.step)):
            number = value.value if math.isfinite(value.value) else repr(value.value)
            line = json.dumps(
                {"timestamp": value.timestamp / 1000, "step": value.step, value.key: number}
            )
            if line not in self._told:
                self._told.add(line)
                yield line

    def _found(self) -> list[Any]:
        experiments = [one.experiment_id for one in self._client.search_experiments()]
        return list(self._client.search_runs(experiments, self._filter)) if experiments else []

    def _logged(self, run: Any) -> Iterator[Any]:
        for name in sorted(run.data.metrics.keys() - RESERVED):
            yield from self._client.get_metric_history(run.info.run_id, name)


def collect(file: str, tags: Mapping[str, str]) -> None:
    """Append what the runs log to the file, until SIGTERM says that the trial has ended."""
    ended = Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    from mlflow import MlflowClient  # it takes seconds, and the trial may end meanwhile

    with open(file, "a+", encoding="utf-8", buffering=1) as reports:
        reports.seek(0)
        before = reports.read()  # by a collector that was killed
        if before and not before.endswith("\n"):
            print(file=reports)
        runs = Runs(MlflowClient(), tags, set(before.splitlines()))
        while True:
            last = ended.is_set()
            try:
                for line in runs.new_lines():
                    print(line, file=reports)
            except Exception as error:  # a server that is away, which may come back
                print(f"trialstream_report.mlflow: {error}", file=sys.stderr, flush=True)
            if last:
                return
            ended.wait(LOOK_SECONDS)


if __name__ == "__main__":
    collect(os.environ[FILE], json.loads(os.environ[TAGS]))
