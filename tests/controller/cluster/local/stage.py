"""What the tests of local trials look at: attempts, their processes, and a controller that dies."""

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from controller.cluster import AttemptKey, Ended, Launch
from controller.cluster.local.attempts import Attempt
from controller.cluster.local.cluster import LocalCluster
from tests.eventually import eventually

Make = Callable[..., Launch]

CONTROLLER = """
import asyncio, pathlib, pickle, sys
from controller.cluster.local.cluster import LocalCluster

async def run():
    async with LocalCluster.open(pathlib.Path(sys.argv[1])) as cluster:
        for launch in pickle.load(sys.stdin.buffer):
            await cluster.start(launch)
        print("started", flush=True)
        await asyncio.Event().wait()

asyncio.run(run())
"""


def killed_controller(data: Path, *launches: Launch, by: Sequence[str] = ()) -> None:
    """Another controller, run `by` a program that becomes it, starts `launches` and is killed
    without mercy."""
    root = str(Path(__file__).parents[4])
    command = [*by, sys.executable, "-c", CONTROLLER, str(data)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root
    ) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(pickle.dumps(launches))
        child.stdin.close()
        assert child.stdout.readline() == b"started\n"
        child.kill()


async def ends(cluster: LocalCluster, count: int) -> dict[AttemptKey, Ended]:
    found: dict[AttemptKey, Ended] = {}
    async with asyncio.timeout(30):
        async for event in cluster.watch():
            if isinstance(event, Ended):
                found[event.key] = event
                if len(found) == count:
                    break
    return found


def attempt(data: Path, key: AttemptKey) -> Attempt:
    return Attempt(str(data), f"{key.experiment}/{key.trial}/{key.attempt}")


def trial_of(data: Path, key: AttemptKey) -> psutil.Process:
    running = attempt(data, key).start_record()
    assert running
    return psutil.Process(running.pid)


def supervisor_of(data: Path, key: AttemptKey) -> psutil.Process:
    parent = trial_of(data, key).parent()
    assert parent
    return parent


def gone(*processes: psutil.Process) -> None:
    """Wait until these have ended, or are zombies that only await their parent."""
    eventually(
        lambda: not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    )
