"""The example consumers in Python print every event."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trialstream.conftest import Stream
from tests.trialstream.plays import play

FOLDER = Path(__file__).parents[2] / "examples" / "consumers" / "python"


@pytest.mark.parametrize("name", ["plain.py", "sdk.py"])
def test_every_event_is_printed(stream: Stream, name: str) -> None:
    told = play("bowl", 2)
    stream.publish(*told)
    environment = {**os.environ, **stream.settings.to_environment()}
    command = [sys.executable, str(FOLDER / name)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().split() for _ in told]
        process.kill()
    assert [(line[0], int(line[1])) for line in lines] == [
        (str(one.experiment), one.sequence) for one in told
    ]
    assert [line[3] for line in lines if "trial.concluded" in line[2]] == ["1", "2"]
