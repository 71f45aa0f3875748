"""`trialstream run` on a machine whose slots are taken."""

import signal
from pathlib import Path

import pytest

from controller.cli.exits import ExitCode
from tests.eventually import eventually
from tests.run.desk import Desk

GATED = """
import os, sys, time
while not os.path.exists("go"):
    time.sleep(0.02)
print(f"loss={float(sys.argv[1])}")
"""


def test_runs_share_the_slots_and_show_says_what_waits(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("[local]\nslots = 1\n")
    monkeypatch.setenv("TRIALSTREAM_SETTINGS", str(settings))
    desk.script("train", GATED)
    first = desk.start("run", desk.write("first", trials=3, parallel=3))
    eventually(desk.trials_alive)
    second = desk.start("run", desk.write("second", trials=2, parallel=2))
    waits = "2 trials: NoFreeSlot: the only slot of this machine is taken by another trial"
    eventually(lambda: waits in desk.do("show", "second").said)
    assert waits in desk.do("show", "first").said
    assert len(desk.trials_alive()) == 1

    second.send_signal(signal.SIGINT)
    assert desk.end(second).code == ExitCode.INTERRUPTED
    assert "Waiting" not in desk.do("show", "second").said
    (tmp_path / "go").touch()
    assert desk.end(first).code == ExitCode.OK
    assert desk.do("run", "second.yaml").code == ExitCode.OK
    assert "Waiting" not in desk.do("show", "first").said
