"""What a person has in front of them: an experiment file, a training script, a data folder, and
terminals."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from controller.store.embedded import EmbeddedServer
from tests.experiments import experiment_text, fields_of

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


class Screen(NamedTuple):
    """Where the output of a command can be read while it runs."""

    said: Path
    complained: Path


class Desk:
    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.screens: dict[subprocess.Popen[str], Screen] = {}
        self.script("train", QUICK)

    def script(self, name: str, text: str) -> None:
        (self.folder / f"{name}.py").write_text(text)

    def write(
        self,
        name: str = "desk",
        trials: int = 3,
        parallel: int = 1,
        script: str = "train",
        extra: str = "",
    ) -> str:
        """An experiment file; its name."""
        command = [sys.executable, "-S", f"{script}.py", "${trialParameters.x}"]
        fields: dict[str, Any] = {
            "parallelTrialCount": parallel,
            "maxTrialCount": trials,
            "trialTemplate": {"command": command},
        }
        text = experiment_text(name, **{**fields, **fields_of(extra)})
        (self.folder / f"{name}.yaml").write_text(text)
        return f"{name}.yaml"

    def start(self, *words: str, database: str | None = None) -> "subprocess.Popen[str]":
        """`trialstream WORDS` in a terminal of its own."""
        place = ["--data", str(self.data), *(["--database", database] if database else [])]
        screen = Screen(
            self.folder / f"said-{len(self.screens)}",
            self.folder / f"complained-{len(self.screens)}",
        )
        with screen.said.open("w") as said, screen.complained.open("w") as complained:
            command = subprocess.Popen(
                [sys.executable, "-m", "controller.cli", *words, *place], stdout=said,
                stderr=complained,
                cwd=self.folder, env={**os.environ, "DESK": str(self.folder)}, text=True,
                start_new_session=True,
            )  # fmt: skip
        self.screens[command] = screen
        return command

    def shows(self, command: "subprocess.Popen[str]", words: str) -> bool:
        """Are these words in what it has said by now?"""
        return any(words in path.read_text() for path in self.screens[command])

    def end(self, command: "subprocess.Popen[str]", within: float = 120) -> Done:
        code = command.wait(timeout=within)
        return Done(code, *(path.read_text() for path in self.screens[command]))

    def do(self, *words: str, database: str | None = None) -> Done:
        return self.end(self.start(*words, database=database))

    def trials_alive(self) -> list[psutil.Process]:
        """Processes of trials that were started from this desk."""
        return [process for process in psutil.process_iter() if self._is_trial(process)]

    def logs(self) -> list[Path]:
        """What each attempt of a trial has printed."""
        return list(self.data.glob("experiments/*/*/*/log"))

    def _is_trial(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            variables = process.environ()
            return variables.get("DESK") == str(self.folder) and "TRIALSTREAM_TRIAL" in variables
        except psutil.Error:
            return False

    def close(self) -> None:
        for command in self.screens:
            command.kill()
            command.wait()
        for process in self.trials_alive():
            process.kill()
        if self.data.exists():
            with EmbeddedServer(self.data).use():
                pass
