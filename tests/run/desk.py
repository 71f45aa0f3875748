"""What a person has in front of them: an experiment file, a training script, a data folder, and terminals."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from controller.store.embedded import EmbeddedServer

SPEC = """
apiVersion: trialstream.io/v1alpha1
kind: Experiment
metadata: {{name: {name}}}
spec:
  objective: {{type: minimize, objectiveMetricName: loss}}
  algorithm: {{algorithmName: random}}
  parallelTrialCount: {parallel}
  maxTrialCount: {trials}
  {extra}
  parameters:
  - {{name: x, parameterType: double, feasibleSpace: {{min: 0, max: 1}}}}
  trialTemplate: {{command: ["{python}", -S, {script}.py, "${{trialParameters.x}}"]}}
"""
QUICK = 'import sys; print(f"loss={float(sys.argv[1])}")\n'


@dataclass(slots=True)
class Done:
    """A command that has ended."""

    code: int
    said: str
    complained: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.said)
        return document


class Desk:
    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.commands: list[subprocess.Popen[str]] = []
        self.script("train", QUICK)

    def script(self, name: str, text: str) -> None:
        (self.folder / f"{name}.py").write_text(text)

    def write(
        self, name: str = "desk", trials: int = 3, parallel: int = 1, script: str = "train", extra: str = ""
    ) -> str:
        """An experiment file; its name."""
        text = SPEC.format(
            name=name, trials=trials, parallel=parallel, script=script, extra=extra, python=sys.executable
        )
        (self.folder / f"{name}.yaml").write_text(text)
        return f"{name}.yaml"

    def start(self, *words: str, database: str | None = None) -> "subprocess.Popen[str]":
        """`trialstream WORDS` in a terminal of its own."""
        place = ["--data", str(self.data), *(["--database", database] if database else [])]
        command = subprocess.Popen(
            [sys.executable, "-m", "controller.cli", *words, *place],
            cwd=self.folder, env={**os.environ, "DESK": str(self.folder)}, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.commands.append(command)
        return command

    def end(self, command: "subprocess.Popen[str]") -> Done:
        said, complained = command.communicate(timeout=120)
        return Done(command.returncode, said, complained)

    def do(self, *words: str, database: str | None = None) -> Done:
        return self.end(self.start(*words, database=database))

    def wait(self, until: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, "it took too long"
            time.sleep(0.05)

    def trials_alive(self) -> list[psutil.Process]:
        """Processes of trials that were started from this desk."""
        return [process for process in psutil.process_iter() if self._is_trial(process)]

    def _is_trial(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            variables = process.environ()
            return variables.get("DESK") == str(self.folder) and "TRIALSTREAM_TRIAL" in variables
        except psutil.Error:
            return False

    def close(self) -> None:
        for command in self.commands:
            if command.poll() is None:
                command.kill()
            if command.stdout and not command.stdout.closed:
                command.communicate()
        for process in self.trials_alive():
            process.kill()
        if self.data.exists():
            with EmbeddedServer(self.data).use():
                pass
