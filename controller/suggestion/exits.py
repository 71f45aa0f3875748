"""How a worker has ended, in words, and what a person can do about it."""

import asyncio
import os
import signal

from controller.suggestion.processes import Process
from controller.suggestion.wire import OUT_OF_MEMORY
from events.errors import RetryError

STATUS_SECONDS = 5.0
"""How long the forkserver may take to report how a worker ended."""
REMEDIES = {
    "slow": ", or raise timeout_seconds in [suggestion] of the settings file",
    "memory": ", or raise memory_mib in [suggestion] of the settings file",
}


class WorkerEndedError(RetryError):
    """The worker has ended; `cause` is a label of the metric of restarts."""

    def __init__(self, cause: str, words: str) -> None:
        super().__init__(words)
        self.cause = cause


async def explain_exit(process: Process, memory_mib: int) -> WorkerEndedError:
    """Why a worker has ended. `memory_mib`: how much memory it may use."""
    done, _ = await asyncio.wait({process.ended}, timeout=STATUS_SECONDS)
    status = process.ended.result() if done else None
    if status is None:
        return WorkerEndedError("unknown", "its process is gone")
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = next((one.name for one in signal.Signals if one == number), f"signal {number}")
        perhaps = ", perhaps because the machine had no memory left" if name == "SIGKILL" else ""
        return WorkerEndedError("signal", f"its process was killed by {name}{perhaps}")
    code = os.waitstatus_to_exitcode(status)
    if code == OUT_OF_MEMORY:
        return WorkerEndedError("memory", f"it needed more than {memory_mib:,} MiB of memory")
    return WorkerEndedError("exit", f"its process ended with exit status {code}")


def explain(ends: list[WorkerEndedError]) -> str:
    """Why a question could not be answered: its workers have ended, each time it was asked."""
    reasons = "; then ".join(dict.fromkeys(map(str, ends)))
    remedy = REMEDIES.get(ends[-1].cause, "")
    return (
        f"{reasons}, {len(ends)} times in a row; choose another algorithm or other settings{remedy}"
    )
