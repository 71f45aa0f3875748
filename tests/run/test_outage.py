"""A database that goes away for good, and one that comes back: nothing is lost, and the message
says what to do."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from controller.cli.exits import ExitCode
from controller.store import StoreUnavailableError
from controller.store.embedded import EmbeddedServer
from controller.store.postgres import open_database
from controller.store.postgres_account import own_uid
from controller.store.postgres_programs import run as run_program
from tests.eventually import eventually
from tests.run.desk import Desk

SLOW = """
import sys, time
for step in range(20):
    print(f"loss={float(sys.argv[1]) + 1 / (step + 1)}", flush=True)
    time.sleep(0.1)
"""


@pytest.mark.long  # it gives up after half a minute
def test_somebody_elses_database_goes_away_for_good(desk: Desk, tmp_path: Path) -> None:
    """The run gives up with a message; once the database is back, the same command resumes it."""
    desk.script("train", SLOW)
    file = desk.write(trials=3)
    server = EmbeddedServer(tmp_path / "elsewhere")
    with server.use():
        server.ensure_now()
        run = desk.start("run", file, database=server.url)
        eventually(lambda: len(desk.trials_alive()) == 1)
        os.kill(postmaster(tmp_path / "elsewhere"), signal.SIGKILL)
        done = desk.end(run)
        assert done.code == ExitCode.DATABASE
        assert "trying again" in done.complained
        server.ensure_now()
        finished = desk.do("run", file, "--output", "json", database=server.url)
        assert finished.code == ExitCode.OK, finished.complained
        assert finished.document["trials"]["Succeeded"] == 3
        assert "attempt 2" not in desk.do("events", "desk", database=server.url).said


def test_a_wrong_address_is_named(desk: Desk) -> None:
    for url in ("postgresql://nobody@127.0.0.1:1/none", "not a url"):
        done = desk.do("run", desk.write(), database=url)
        assert done.code == ExitCode.DATABASE
        assert done.complained.startswith("Error: ")


def postmaster(data: Path) -> int:
    return int((data / "postgres" / "cluster" / "postmaster.pid").read_text().split()[0])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_loses_no_result(desk: Desk, tmp_path: Path) -> None:
    """What ran while the disk was full is run again; nothing starts until there is room."""
    desk.script("train", SLOW)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(desk.data)], check=True)
    try:
        run = desk.start("run", desk.write(trials=6, parallel=2), "--output", "json")
        eventually(lambda: len(desk.trials_alive()) == 2)
        filler = desk.data / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(65536))
        eventually(lambda: desk.trials_alive() == [])
        time.sleep(3)
        filler.unlink()
        done = desk.end(run)
        assert done.code == ExitCode.OK, done.complained
        assert done.document["trials"]["Succeeded"] == 6
        assert "the disk was full when it ended" in desk.do("events", "desk").said
    finally:
        desk.close()
        subprocess.run(["umount", "--lazy", str(desk.data)], check=True)


@pytest.mark.long  # it waits most of the time: for Postgres, which tries to start, and for the run
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_log_of_postgres_without_room_is_waited_for(desk: Desk) -> None:
    """Postgres ends when its log has no room, and cannot start: whoever looks is told why. Trials
    have room, so each runs once; what they report is decided on once there is room."""
    desk.script("train", SLOW)
    cluster = desk.data / "postgres" / "cluster"
    with small_log(cluster) as log, closing(desk):
        run = desk.start("run", desk.write(trials=4, parallel=2), "--output", "json")
        eventually(lambda: len(desk.trials_alive()) == 2)
        filler = log / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(65536))
        asyncio.run(use_up_log(EmbeddedServer(desk.data).url))
        eventually(lambda: "No space left on device" in desk.do("list").complained)
        eventually(lambda: desk.shows(run, "trying again"))
        eventually(lambda: desk.trials_alive() == [])
        filler.unlink()
        done = desk.end(run)
        assert done.code == ExitCode.OK, done.complained
        assert done.document["trials"]["Succeeded"] == 4
        assert "attempt 2" not in desk.do("events", "desk").said


@contextmanager
def small_log(cluster: Path) -> Iterator[Path]:
    """The log of a stopped server on a disk of its own of 8 MB, in segments of 1 MB."""
    log, uid = cluster / "pg_wal", own_uid(cluster)
    done = run_program("pg_resetwal", "--wal-segsize=1", cluster=cluster, uid=uid)
    assert done.returncode == 0, done.stderr
    kept = log.rename(cluster / "log-before")
    log.mkdir(0o700)
    owner = "" if uid is None else f",uid={uid},gid={uid}"
    mode = f"size=8m,mode=700{owner}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", mode, "tmpfs", str(log)], check=True)
    try:
        subprocess.run(["cp", "--archive", f"{kept}/.", str(log)], check=True)
        yield log
    finally:
        subprocess.run(["umount", "--lazy", str(log)], check=True)


async def use_up_log(url: str) -> None:
    """Write to the log until the server cannot."""
    async with open_database(url, size=1) as database:
        with suppress(StoreUnavailableError):
            while True:
                await database.fetch("SELECT pg_logical_emit_message(true, '', repeat('x', 9999))")


def test_a_run_without_file_descriptors_loses_no_result(desk: Desk) -> None:
    """It goes on once there are some, or ends, and the same command does."""
    desk.script("train", SLOW)
    file = desk.write(trials=6, parallel=2)
    run = desk.start("run", file, "--output", "json")
    eventually(lambda: len(desk.trials_alive()) == 2)
    process = psutil.Process(run.pid)
    known = process.rlimit(psutil.RLIMIT_NOFILE)
    process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds() - 1, known[1]))
    eventually(lambda: desk.trials_alive() == [])
    time.sleep(1)
    with suppress(psutil.NoSuchProcess):
        process.rlimit(psutil.RLIMIT_NOFILE, known)
    first = desk.end(run)
    assert "Traceback" not in first.complained
    done = first if first.code == ExitCode.OK else desk.do("run", file, "--output", "json")
    assert done.code == ExitCode.OK, first.complained + done.complained
    assert done.document["trials"]["Succeeded"] == 6
