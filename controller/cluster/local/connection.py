"""A controller's connection to one supervisor: how it is started and found, requests, replies and
events."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path

from controller.cluster.local.json_socket import Message
from events.private_folders import MAX_SOCKET_PATH, make_private

REPLY_SECONDS = 10.0
"""A supervisor answers in milliseconds; without an answer for this long, it or its disk hangs."""
MAX_MESSAGE = 16 * 1024 * 1024

# Empty packages replace ours, so that their __init__.py, with all that it imports, is not loaded.
_BOOT = """
import sys, types
_, root, *arguments = sys.argv[1:]
for name in ("controller", "controller.cluster", "controller.cluster.local", "events"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [root + "/" + name.replace(".", "/")]
from controller.cluster.local.supervisor import main
main(*arguments)
"""


class SupervisorConnection:
    """One open connection. `running` has the paths of the attempts that the supervisor says are
    running, `with_collector` of those that have a collector process."""

    def __init__(
        self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.name = name
        self.running: set[str] = set()
        self.with_collector: set[str] = set()
        self.broken = False
        self._reader = reader
        self._writer = writer
        self._ids = count(1)
        self._replies: dict[int, asyncio.Queue[Message | None]] = {}

    @classmethod
    async def connect(cls, sockets: Path, name: str) -> "SupervisorConnection | None":
        """A connection to the supervisor `name`, None if it is dead. Raises TimeoutError if it does
        not answer."""
        path = sockets / f"{name}.sock"
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(path, limit=MAX_MESSAGE)
            except (ConnectionRefusedError, FileNotFoundError):
                return None
            connection = cls(name, reader, writer)
            try:
                async with asyncio.timeout(REPLY_SECONDS):
                    hello = json.loads(await reader.readuntil(b"\n"))
            except (
                ConnectionError,
                asyncio.IncompleteReadError,
            ):  # it is just ending: try again until that is certain
                await connection.close()
                continue
            except BaseException:
                await connection.close()
                raise
            connection.running.update(hello["running"])
            connection.with_collector.update(hello["heard"])
            return connection

    async def events(self) -> AsyncIterator[Message]:
        """What the supervisor tells, until the connection ends."""
        try:
            async for line in self._reader:
                message = json.loads(line)
                if "event" in message:
                    self._update(message)
                    yield message
                else:
                    self._reply(message)
        except ConnectionError:
            pass
        finally:
            self._mark_broken()

    async def ask(self, request: Message, waits: Callable[[], object] = bool) -> str | None:
        """Send one request; return who has claimed its attempt if another has. A start that has to
        wait for a slot is told to `waits` and answered when it was its turn.

        Raises ConnectionError if the supervisor is gone (perhaps after it acted), TimeoutError, or
        OSError if it could not act.
        """
        if self.broken:
            raise ConnectionResetError(f"supervisor {self.name} is gone")
        request_id = next(self._ids)
        replies = self._replies[request_id] = asyncio.Queue()
        try:
            self._writer.write(json.dumps({"id": request_id, **request}).encode() + b"\n")
            async with asyncio.timeout(REPLY_SECONDS):
                await self._writer.drain()
                answer = await replies.get()
            if answer and "waiting" in answer:
                waits()
                answer = await replies.get()
        finally:
            del self._replies[request_id]
        if answer is None:
            raise ConnectionResetError(f"supervisor {self.name} is gone")
        if "error" in answer:
            raise _error_of(answer)
        holder: str | None = answer["by"]
        return holder

    async def close(self) -> None:
        self._mark_broken()
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    def _update(self, event: Message) -> None:
        if event["event"] == "started":
            self.running.add(event["key"])
            if event["collector"]:
                self.with_collector.add(event["key"])
        else:
            self.running.discard(event["key"])
            self.with_collector.discard(event["key"])

    def _reply(self, message: Message) -> None:
        if replies := self._replies.get(message["re"]):
            replies.put_nowait(message)

    def _mark_broken(self) -> None:
        self.broken = True
        for replies in self._replies.values():
            replies.put_nowait(None)


def _error_of(answer: Message) -> OSError:
    """With its number, if it has one, by which errors of one file are told from those of the
    machine."""
    number, text = answer.get("errno"), answer["error"]
    return OSError(text) if number is None else OSError(number, text, answer.get("file"))


def launch_supervisor(data: Path, sockets: Path, name: str, environment: Mapping[str, str]) -> None:
    """Start a supervisor with that `environment`, which trials inherit; it listens when this
    returns. Raises OSError if it cannot."""
    root = Path(__file__).parents[3]
    arguments = [
        "trialstream-supervisor",
        str(root),
        str(data),
        name,
        str(sockets / f"{name}.sock"),
    ]
    started = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _BOOT, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=environment,
        check=False,
    )
    if started.returncode != 0:
        raise OSError(
            "the supervisor of local trials did not "
            f"start:\n{started.stderr.decode(errors='replace')}"
        )


def sockets_folder(data: Path) -> Path:
    """Where the supervisors of `data` listen: `<data>/supervisors`, or a short path if that is too
    long for sockets.

    A symlink in `<data>/supervisors` keeps the choice, because the temporary folder may differ the
    next time.
    """
    folder = make_private(data / "supervisors")
    if len(os.fsencode(folder / ("x" * 12 + ".sock.new"))) < MAX_SOCKET_PATH:
        return folder
    digest = hashlib.sha256(f"{os.getuid()}:{data}".encode()).hexdigest()[:12]
    choice = folder / "elsewhere"
    with suppress(FileExistsError):
        choice.symlink_to(Path(tempfile.gettempdir()) / f"trialstream-{digest}")
    return make_private(Path(os.readlink(choice)))
