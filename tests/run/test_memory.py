"""A run that gets no more memory says so and ends, and the same command goes on."""

import psutil

from controller.cli.exits import ExitCode
from events.memory import MESSAGE
from tests.eventually import eventually
from tests.memory import deny_memory
from tests.run.desk import Desk

FLOOD = """
import sys, time
time.sleep(0.5)
for step in range(20_000):
    print(f"loss={float(sys.argv[1]) + 1 / (step + 1)}")
"""
"""More to read at once than fits into what a run has."""


def test_a_run_without_memory_loses_no_result(desk: Desk) -> None:
    desk.script("train", FLOOD)
    file = desk.write(trials=4, parallel=2)
    run = desk.start("run", file, "--output", "json")
    eventually(lambda: len(desk.trials_alive()) == 2)
    deny_memory(psutil.Process(run.pid))
    first = desk.end(run)
    assert (first.code, first.complained) == (ExitCode.FAILED, MESSAGE)
    done = desk.do("run", file, "--output", "json")
    assert done.code == ExitCode.OK, done.complained
    assert done.document["trials"]["Succeeded"] == 4
    assert "attempt 2" not in desk.do("events", "desk").said
