"""The embedded Postgres: in closed folders, with a role and an owner that may nothing else, and
with the data folders of earlier versions."""

import asyncio
import os
import pwd
import shutil
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import asyncpg
import pytest

from controller.store import StoreRefusedError, postgres_programs
from controller.store.embedded import DRAFT, ROLE, SOCKET, SUPERUSER, EmbeddedServer, embedded
from controller.store.migrate import migrate
from controller.store.postgres import Database, open_database
from controller.store.postgres_account import OWN_UIDS, give
from controller.store.postgres_programs import run
from tests.eventually import eventually_async
from tests.run.test_outage import postmaster

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root's server has an owner of its own")
WRITE = """
import itertools, pathlib, sys
for number in itertools.count():
    pathlib.Path(sys.argv[1], str(number)).touch()
"""
NOBODY = pwd.getpwnam("nobody").pw_uid


@as_root
async def test_root_starts_it_in_closed_folders(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    async with embedded(closed / "data") as server:
        assert await asked(server, lambda it: it.fetch("SELECT 1"))
        assert closed.stat().st_mode & 0o777 == 0o700


@as_root
async def test_programs_in_closed_folders_are_copied_for_its_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = postgres_programs.find_programs(None).parents[2]
    for part in (postgres_programs.WHEEL, f"{postgres_programs.WHEEL}.libs"):
        if (installed / part).is_dir():
            shutil.copytree(installed / part, tmp_path / "closed" / part)
    (tmp_path / "closed").chmod(0o700)
    monkeypatch.syspath_prepend(tmp_path / "closed")
    with TemporaryDirectory() as open_to_all:
        Path(open_to_all).chmod(0o755)
        monkeypatch.setattr(postgres_programs, "COPIES", Path(open_to_all, "copies"))
        postgres_programs.find_programs.cache_clear()
        try:
            async with embedded(tmp_path / "data") as server:
                assert await asked(server, lambda it: it.fetch("SELECT 1"))
                program = Path(f"/proc/{postmaster(tmp_path / 'data')}/exe").readlink()
                assert Path(open_to_all) in program.parents
            Path(open_to_all, "copies").chmod(0o777)
            postgres_programs.find_programs.cache_clear()
            with pytest.raises(StoreRefusedError, match="others than root can change"):
                EmbeddedServer(tmp_path / "data").ensure_now()
        finally:
            postgres_programs.find_programs.cache_clear()


@as_root
async def test_its_process_is_of_an_account_of_its_own_without_capabilities(
    tmp_path: Path,
) -> None:
    async with embedded(tmp_path):
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{postmaster(tmp_path)}/status").read_text().splitlines()
        )
        uids = {int(uid) for uid in status["Uid"].split()}
        assert uids <= set(OWN_UIDS)
        assert status["Groups"].strip() == ""
        assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}


async def test_its_role_can_neither_run_programs_nor_read_files(tmp_path: Path) -> None:
    async with embedded(tmp_path) as server:
        for statement in (
            "COPY (SELECT 1) TO PROGRAM 'true'",
            "SELECT pg_read_file('/etc/passwd')",
            "ALTER ROLE engine SUPERUSER",
            f"SET ROLE {SUPERUSER}",
            "ALTER SYSTEM SET archive_command = 'true'",
        ):
            with pytest.raises(StoreRefusedError):
                await asked(server, lambda it, sql=statement: it.execute(sql))  # type: ignore[misc]


async def test_nobody_logs_in_as_superuser(tmp_path: Path) -> None:
    async with embedded(tmp_path) as server:
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await asyncpg.connect(server.url.replace(ROLE, SUPERUSER))


@as_root
def test_another_user_is_kept_from_its_socket_and_not_believed_there(tmp_path: Path) -> None:
    server, cluster = EmbeddedServer(tmp_path), tmp_path / "postgres" / "cluster"
    with server.use():
        server.ensure_now()
        assert connected_as(NOBODY, cluster) == "PermissionError"
        for path in (cluster, cluster / SOCKET):
            path.chmod(0o777)
        assert connected_as(NOBODY, cluster) == "InvalidAuthorizationSpecificationError"
        assert connected_as(cluster.stat().st_uid, cluster) != "connected"
        assert connected_as(0, cluster) == "connected"


def connected_as(uid: int, cluster: Path) -> str:
    """What becomes of a connection that a process of `uid` makes; it begins in the cluster's
    folder, as the folders above are closed."""
    said, answer = os.pipe()
    if os.fork() == 0:
        try:
            os.chdir(cluster)
            os.setgroups([])
            os.setresuid(uid, uid, uid)
            asyncio.run(asyncpg.connect(f"postgresql://{ROLE}@/postgres?host=/proc/self/cwd"))
            os.write(answer, b"connected")
        except Exception as error:
            os.write(answer, type(error).__name__.encode())
        finally:
            os._exit(0)
    os.wait()
    os.close(answer)
    with open(said) as file:
        return file.read()


@as_root
async def test_a_cluster_of_an_earlier_version_opens_with_all_its_rows(tmp_path: Path) -> None:
    make_earlier(tmp_path)
    async with embedded(tmp_path) as server:
        rows = await asked(server, lambda it: it.fetch("SELECT a FROM kept"))
        assert [row["a"] for row in rows] == [7]
        await asked(server, migrate)
        await asked(server, lambda it: it.execute("ALTER TABLE kept ADD COLUMN b text"))
        cluster = tmp_path / "postgres" / "cluster"
        owners = {path.lstat().st_uid for path in [cluster, *cluster.rglob("*")]}
        assert owners == {cluster.stat().st_uid}
        assert owners <= set(OWN_UIDS)


@as_root
async def test_a_server_of_an_earlier_version_that_still_runs_is_replaced(tmp_path: Path) -> None:
    make_earlier(tmp_path, running=True)
    before = postmaster(tmp_path)
    async with embedded(tmp_path) as server:
        assert await asked(server, lambda it: it.fetch("SELECT a FROM kept"))
        assert postmaster(tmp_path) != before


@as_root
async def test_one_that_others_work_with_is_left_alone(tmp_path: Path) -> None:
    make_earlier(tmp_path)
    other = EmbeddedServer(tmp_path)
    with other.use(), pytest.raises(StoreRefusedError, match="an earlier version"):
        async with embedded(tmp_path):
            pass


async def test_a_long_path_is_reached_whatever_tmpdir_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / ("long" * 25)
    async with embedded(data) as server:
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        again = EmbeddedServer(data)
        assert again.url == server.url
        name = Path(server.url.partition("host=")[2]).parent
        assert await asked(again, lambda it: it.fetch("SELECT 1"))
        shutil.rmtree(name.parent)  # as those do that clean up /tmp
        assert name not in Path(again.url.partition("host=")[2]).parents
        assert await asked(again, lambda it: it.fetch("SELECT 1"))


@as_root
async def test_a_short_name_that_someone_else_took_is_not_used(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 25)
    name = Path(EmbeddedServer(data).url.partition("host=")[2]).parent
    os.chown(name.parent, NOBODY, NOBODY)
    try:
        async with embedded(data) as server:
            assert name.parent not in Path(server.url.partition("host=")[2]).parents
            assert await asked(server, lambda it: it.fetch("SELECT 1"))
    finally:
        shutil.rmtree(name.parent)


@as_root
@pytest.mark.parametrize("foreign", ["link", "owner"])
async def test_a_folder_of_someone_else_is_refused(tmp_path: Path, foreign: str) -> None:
    home = tmp_path / "data" / "postgres"
    home.parent.mkdir()
    if foreign == "link":
        (tmp_path / "target").mkdir()
        home.symlink_to(tmp_path / "target")
    else:
        home.mkdir(mode=0o777)
        os.chown(home, NOBODY, NOBODY)
    with pytest.raises(StoreRefusedError, match="belongs to someone else"):
        async with embedded(tmp_path / "data"):
            pass


async def test_a_server_whose_socket_was_deleted_is_started_again(tmp_path: Path) -> None:
    async with embedded(tmp_path) as server:
        (tmp_path / "postgres" / "cluster" / SOCKET).unlink()
        await server.ensure()
        assert await asked(server, lambda it: it.fetch("SELECT 1"))


@as_root
async def test_a_crash_in_the_middle_of_its_renewal_is_mended(tmp_path: Path) -> None:
    make_earlier(tmp_path)
    cluster = tmp_path / "postgres" / "cluster"
    async with embedded(tmp_path):
        pass
    give(cluster, NOBODY, of=cluster.stat().st_uid)
    async with embedded(tmp_path) as server:
        assert await asked(server, lambda it: it.fetch("SELECT a FROM kept"))


def make_earlier(data: Path, *, running: bool = False) -> None:
    """A cluster as earlier versions made it: of `nobody`, with trust, owned by the superuser."""
    cluster = data / "postgres" / "cluster"
    cluster.mkdir(parents=True)
    os.chown(cluster, NOBODY, NOBODY)
    as_nobody = partial(run, cluster=cluster, uid=NOBODY)
    made = as_nobody("initdb", "--auth=trust", "-U", SUPERUSER, "-E", "UTF8", "--locale=C")
    assert made.returncode == 0, made.stderr
    migrations = Path(migrate.__code__.co_filename).parent / "migrations"
    first = (migrations / "0001_experiments.sql").read_text()
    statements = (
        "CREATE TABLE kept (a integer)",
        "INSERT INTO kept VALUES (7)",
        "CREATE TABLE migration (number integer PRIMARY KEY, name text, applied_at timestamptz)",
        "INSERT INTO migration VALUES (1, '0001_experiments.sql', now())",
        first,
    )
    given = ";\n\n".join(statements) + "\n\n"
    said = as_nobody("postgres", "--single", "-j", "postgres", given=given).stderr
    assert "ERROR" not in said
    if running:
        started = as_nobody("pg_ctl", "start", "-w", "-l", "log", "-o", "-k pg_stat_tmp")
        assert started.returncode == 0, started.stderr


Answer = TypeVar("Answer")


async def asked(server: EmbeddedServer, ask: Callable[[Database], Awaitable[Answer]]) -> Answer:
    async with open_database(server.url, size=1) as database:
        return await ask(database)


async def test_what_a_killed_first_start_left_running_is_not_in_the_way(tmp_path: Path) -> None:
    """Its initdb goes on writing into a folder that is about to go."""
    left = tmp_path / "data" / "postgres" / DRAFT
    left.mkdir(parents=True)
    left.parent.chmod(0o700)
    writing = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITE, str(left))
    try:
        await eventually_async(lambda: len(list(left.iterdir())) > 100)
        async with embedded(tmp_path / "data") as server:
            assert await asked(server, lambda it: it.fetch("SELECT 1"))
    finally:
        writing.kill()
        await writing.wait()
