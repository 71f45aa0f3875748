"""The watchdog over loops that are really blocked, in processes of their own, in tenths of its
seconds."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from controller.telemetry.watchdog import EXIT_CODE

PROGRAM = """
import asyncio, logging, os, sys, threading, time
from controller.telemetry import watchdog
from controller.telemetry.catalogue import BLOCKED, LOOP_LAG, REGISTRY

watchdog.BEAT_SECONDS, watchdog.LOOK_SECONDS = 0.02, 0.05
watchdog.ALARM_SECONDS, watchdog.ALIVE_SECONDS, watchdog.END_SECONDS = 0.5, 1.0, {end}
watchdog.WRITE_SECONDS = 0.2
logging.basicConfig(stream=sys.stderr, level=logging.INFO)

def tell():
    "The loop is blocked: another thread says what /healthz would."
    for seconds in (0.25, 2.75):
        time.sleep(seconds)
        alarms = REGISTRY.get_sample_value("trialstream_loop_blocked_total")
        print(dog.problems() != [], alarms, flush=True)

def block():
    {block}

async def main():
    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(dog.beat())
        await asyncio.sleep(0.2)
        count = REGISTRY.get_sample_value("trialstream_loop_lag_seconds_count")
        print("beating", count > 3, flush=True)
        block()
        await asyncio.sleep(0.2)
        late = REGISTRY.get_sample_value("trialstream_loop_lag_seconds_sum")
        print("after", len(dog.problems()), late > 1, flush=True)
        beating.cancel()

dog = watchdog.Watchdog()
with dog.running():
    asyncio.run(main())
"""
BUSY = (
    "threading.Thread(target=tell).start(); end = time.monotonic() + 4; all(iter(lambda: "
    "time.monotonic() < end, 0))"
)


@contextmanager
def program(block: str, end: float = 60) -> Iterator["subprocess.Popen[str]"]:
    code = PROGRAM.format(block=block, end=end)
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().strip()


def test_a_blocked_loop_is_told_of_and_recovers() -> None:
    with program(BUSY) as running:
        out, error = running.communicate(timeout=30)
    assert out.splitlines() == ["beating True", "False 0.0", "True 1.0", "after 0 True"]
    assert running.returncode == 0
    assert error.count("the event loop has been blocked") == 1
    assert re.search(r"in block\n", error)  # the stack leads to what blocks


def test_a_loop_that_stays_blocked_ends_the_process() -> None:
    with program("time.sleep(60)", end=1.5) as running:
        _, error = running.communicate(timeout=30)
    assert running.returncode == EXIT_CODE
    assert "ending" in error


def test_a_loop_that_is_blocked_on_its_own_log_ends_the_process() -> None:
    """Nobody reads the pipe: what the watchdog writes would block, too."""
    with program("[logging.error('x' * 10000) for _ in range(100)]", end=1.5) as running:
        assert running.wait(30) == EXIT_CODE


def test_time_in_which_the_process_was_frozen_does_not_count() -> None:
    """It is frozen while its loop is blocked, which must not look like a block of as long as both
    together."""
    with program("sys.stdin.readline()", end=1.5) as running:
        assert line(running.stdout) == "beating True"
        os.kill(running.pid, signal.SIGSTOP)
        time.sleep(3)
        os.kill(running.pid, signal.SIGCONT)
        time.sleep(0.3)  # some looks of the watchdog
        out, error = running.communicate("\n", timeout=30)
    assert running.returncode == 0
    assert out.startswith("after 0")
    assert "ending" not in error
