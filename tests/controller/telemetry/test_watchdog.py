"""A blocked event loop is noticed, a frozen process is not mistaken for one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import asyncio, sys, time
import controller.telemetry.watchdog as watchdog
watchdog.ALARM_SECONDS, watchdog.ALIVE_SECONDS, watchdog.END_SECONDS = 1.0, 1.5, 4.0
dog = watchdog.Watchdog()

def block(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass

async def main():
    with dog.watching():
        async with asyncio.TaskGroup() as tasks:
            beating = tasks.create_task(dog.beat())
            await asyncio.sleep(1)
            print("ready", dog.problems(), flush=True)
            block(float(sys.argv[1]))
            print("blocked", dog.problems(), flush=True)
            await asyncio.sleep(2)
            print("again", dog.problems(), flush=True)
            beating.cancel()

asyncio.run(main())
"""


def start(tmp_path: Path, seconds: float) -> "subprocess.Popen[str]":
    (tmp_path / "program.py").write_text(PROGRAM)
    return subprocess.Popen(
        [sys.executable, "program.py", str(seconds)], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def test_a_blocked_loop_is_said_with_its_stack_and_passes(tmp_path: Path) -> None:
    said, complained = start(tmp_path, 2.5).communicate(timeout=60)
    lines = said.splitlines()
    assert lines[0] == "ready []"
    assert lines[1].startswith("blocked ['the event loop is blocked for")
    assert lines[2] == "again []"
    assert "the event loop is blocked" in complained
    assert "in block" in complained


def test_a_loop_that_stays_blocked_ends_the_process(tmp_path: Path) -> None:
    process = start(tmp_path, 60)
    _, complained = process.communicate(timeout=60)
    assert process.returncode == 70
    assert "ending" in complained


def test_a_frozen_process_is_not_blocked(tmp_path: Path) -> None:
    process = start(tmp_path, 0)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready []\n"
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(6)
    os.kill(process.pid, signal.SIGCONT)
    said, complained = process.communicate(timeout=60)
    assert said.splitlines()[-1] == "again []"
    assert "is blocked" not in complained
