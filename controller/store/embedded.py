"""The embedded Postgres: installed as a wheel, started on demand, shared by all users of a data
folder.

Its socket lies in the cluster's own folder, which nobody else can enter, and its role has no right
on the server itself.
"""

import asyncio
import fcntl
import os
import pwd
import shutil
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import mkdtemp

from controller.store import StoreRefusedError
from controller.store.postgres_account import free_uid, give, idle_uid, is_earlier, own_uid
from controller.store.postgres_programs import run
from events.private_folders import make_private, short_name

START_SECONDS = 60
CRASH_SECONDS = 5.0
ROLE = "engine"
"""The role that we are: no superuser, so it cannot run programs or read files of the server."""
SUPERUSER = "trialstream"
"""It owns the catalogue and may not log in. Earlier versions worked with it."""
SOCKET = ".s.PGSQL.5432"
DRAFT = "cluster.new"
"""With what the names of folders begin in which a cluster is made."""
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
# What an earlier version made belongs to its superuser. A column's sequence goes with its table.
_ROLES = (
    f"""
    DO $$ BEGIN
        IF to_regrole('{ROLE}') IS NULL THEN CREATE ROLE {ROLE} LOGIN CREATEDB; END IF;
    END $$
    """,
    f"ALTER DATABASE postgres OWNER TO {ROLE}",
    f"""
    DO $$ DECLARE one regclass; BEGIN
        FOR one IN SELECT oid FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND (relkind IN ('r', 'p', 'v', 'm')
            OR relkind = 'S' AND NOT EXISTS (
                SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype IN ('a', 'i')))
        LOOP EXECUTE format('ALTER TABLE %s OWNER TO {ROLE}', one); END LOOP;
    END $$
    """,
    f"""
    DO $$ DECLARE one regprocedure; BEGIN
        FOR one IN SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        LOOP EXECUTE format('ALTER ROUTINE %s OWNER TO {ROLE}', one); END LOOP;
    END $$
    """,
)


class EmbeddedServer:
    """The server of one data folder.

    Each user holds a shared lock; the last one to leave stops the server.
    """

    def __init__(self, data: Path) -> None:
        self._home = data.absolute() / "postgres"
        self._cluster = self._home / "cluster"
        self._users: int | None = None

    @property
    def url(self) -> str:
        """Where the server listens. Raises StoreRefusedError if the folder is another user's."""
        name = short_name(self._private_home(), f"cluster/{SOCKET}.lock")
        return f"postgresql://{ROLE}@/postgres?host={name / 'cluster'}"

    async def ensure(self) -> None:
        """Start the server unless it runs; after a crash it recovers.

        Raises StoreRefusedError if it does not start.
        """
        await asyncio.to_thread(self.ensure_now)

    def ensure_now(self) -> None:
        """As `ensure`, for callers without an event loop."""
        self._private_home()
        with self._alone():
            if not (self._cluster / "PG_VERSION").exists():
                self._create()
            elif self._is_of_earlier_version():
                self._renew()
            if not self._runs():
                self._start_patiently()

    def _private_home(self) -> Path:
        try:
            return make_private(self._home)
        except PermissionError as error:
            raise StoreRefusedError(str(error)) from error

    def _create(self) -> None:
        """Make the cluster in another folder, then rename that, so that a crash leaves no
        incomplete cluster. Each try has a folder of its own: programs that one has left behind may
        still write into theirs."""
        draft = Path(mkdtemp(dir=self._home, prefix=DRAFT))
        if os.geteuid() == 0:
            lent = idle_uid()
            os.chown(draft, lent, lent)
        self._run("initdb", "--no-instructions", "-U", SUPERUSER, "--auth=reject", "-E", "UTF8",
                  "--locale=C", cluster=draft)  # fmt: skip
        with (draft / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS)
        self._secure(draft)
        draft.rename(self._cluster)
        for left in self._home.glob(f"{DRAFT}*"):  # by one that was killed
            shutil.rmtree(left, ignore_errors=True)

    def _is_of_earlier_version(self) -> bool:
        rules = (self._cluster / "pg_hba.conf").read_text()
        return f" {ROLE} " not in rules or is_earlier(own_uid(self._cluster))

    def _renew(self) -> None:
        """Bring the cluster of an earlier version, which trusted whoever reached its socket, to
        what `_create` makes."""
        if self._is_used_by_others():
            raise StoreRefusedError(
                f"an earlier version of trialstream works with {self._home}; end it first"
            )
        self._stop()
        self._secure(self._cluster)

    def _secure(self, cluster: Path) -> None:
        """A role of ours, a rule that lets in only us, and, as root, an owner that owns nothing
        else. What is left of it after a crash is done again."""
        statements = "\n".join(" ".join(statement.split()) for statement in _ROLES)
        said = self._run("postgres", "--single", "postgres", cluster=cluster, given=statements)
        if "ERROR" in said:
            raise StoreRefusedError(f"the roles of {cluster} cannot be made:\n{said[-1500:]}")
        us = pwd.getpwuid(os.geteuid()).pw_name
        (cluster / "pg_ident.conf").write_text(f'us "{us}" {ROLE}\n')
        (cluster / "pg_hba.conf").write_text(f"local all {ROLE} peer map=us\n")
        uid = own_uid(cluster)
        if uid is not None:
            give(cluster, free_uid(), of=uid)

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
        self._run("pg_ctl", "start", "-w", "-s", "-t", str(START_SECONDS), "-l", "log",
                  "-o", "-k .", cluster=self._cluster)  # fmt: skip

    def _runs(self) -> bool:
        """Whether the server runs; one whose socket was deleted is stopped."""
        uid = own_uid(self._cluster)
        status = run("pg_ctl", "status", "-s", cluster=self._cluster, uid=uid)
        if status.returncode != 0:
            return False
        if (self._cluster / SOCKET).exists():
            return True
        self._stop()
        return False

    def _stop(self) -> None:
        if self._cluster.exists():
            uid = own_uid(self._cluster)
            run("pg_ctl", "stop", "-s", "-m", "fast", cluster=self._cluster, uid=uid)

    def _run(self, program: str, *arguments: str, cluster: Path, given: str = "") -> str:
        """What the program says on stderr. Raises StoreRefusedError if it fails."""
        log = cluster / "log"
        done = run(program, *arguments, cluster=cluster, uid=own_uid(cluster), given=given)
        if done.returncode == 0:
            return done.stderr
        last = log.read_text(errors="replace")[-1500:] if log.exists() else ""
        raise StoreRefusedError(
            f"the embedded database could not be started in {cluster} ({program} failed):\n"
            f"{(done.stderr or done.stdout).strip()}\n{last}".rstrip()
            + "\nFree disk space or choose another --data folder, or give --database URL."
        )

    @contextmanager
    def use(self) -> Generator[None]:
        """Count as a user of the server; when the last one leaves, the server is stopped."""
        with (self._private_home() / "users").open("a") as users:
            fcntl.flock(users, fcntl.LOCK_SH)
            self._users = users.fileno()
            try:
                yield
            finally:
                self._users = None
                self._leave(users.fileno())

    def _is_used_by_others(self) -> bool:
        with (self._home / "users").open("a") as file:
            users = file.fileno() if self._users is None else self._users
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:  # a failed change of the lock may have lost it
                fcntl.flock(users, fcntl.LOCK_SH)
            return False

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
