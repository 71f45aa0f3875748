"""Run `trialstream run` as a person would, with real processes for trials, and read what Postgres
has of it."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.database import store
from benchmarks.outcome import CannotMeasureError, say

DOCUMENT = """\
apiVersion: trialstream.io/v1alpha1
kind: Experiment
metadata: {{name: benchmark}}
spec:
  objective: {{type: minimize, objectiveMetricName: loss}}
  algorithm: {{algorithmName: random}}
  seed: 1
  maxTrialCount: {trials}
  parallelTrialCount: {parallel}
  parameters:
  - {{name: x, parameterType: double, feasibleSpace: {{min: "{low}", max: "{high}"}}}}
  trialTemplate:
    command:
"""
_PROGRAM = "from controller.cli import main; main()"
_CONCLUDED = " Succeeded "
_DATES = "SELECT started_at, concluded_at FROM trial WHERE state = 'Succeeded' ORDER BY ordinal"


@dataclass(frozen=True, slots=True)
class Run:
    """What one `trialstream run` took, in seconds, and when each trial started and concluded, as
    Postgres dates it."""

    seconds: float
    dates: Sequence[tuple[datetime, datetime]]
    postgres: str

    @property
    def span(self) -> float:
        """Seconds from the first start to the last conclusion."""
        return (
            max(end for _, end in self.dates) - min(start for start, _ in self.dates)
        ).total_seconds()


def document(
    trials: int, parallel: int, words: Sequence[str], low: float = 0.0, high: float = 1.0
) -> str:
    """An experiment whose trials run the command `words` with one parameter, x, drawn from low to
    high."""
    text = DOCUMENT.format(trials=trials, parallel=parallel, low=low, high=high)
    return text + "".join(f"    - {quoted(word)}\n" for word in words)


def quoted(word: str) -> str:
    """As a YAML string in single quotes."""
    return "'" + word.replace("'", "''") + "'"


async def run(home: Path, text: str, trials: int) -> Run:
    """Run the experiment `text` in a new data folder below `home`; all its trials have to
    succeed."""
    file, data = home / "experiment.yaml", home / "data"
    file.write_text(text)
    began = time.monotonic()
    _watched([sys.executable, "-c", _PROGRAM, "run", str(file), "--data", str(data)], trials)
    seconds = time.monotonic() - began
    async with store(data) as opened:
        rows = await opened.database.fetch(_DATES)
        postgres = await opened.version()
    if len(rows) != trials:
        raise CannotMeasureError(f"{len(rows)} of {trials} trials have succeeded")
    return Run(seconds, [(row["started_at"], row["concluded_at"]) for row in rows], postgres)


def _watched(arguments: list[str], trials: int) -> None:
    """Wait for the command; each tenth of its trials is said."""
    done, lines = 0, ""
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines = (lines + line)[-2000:]
            if _CONCLUDED in line:
                done += 1
                if done * 10 // trials > (done - 1) * 10 // trials:
                    say(f"{done:,} of {trials:,} trials")
    if process.returncode != 0:
        raise CannotMeasureError(
            f"trialstream run ended with {process.returncode}; its last lines:\n{lines}"
        )
