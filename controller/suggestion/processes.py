"""The controller's side of the forkserver: start it, get workers from it, learn how they end, and
end them all."""

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from controller.suggestion.wire import LENGTH, MAX_FRAME_BYTES
from events.program import command

START_SECONDS = 60.0
"""How long the start of a worker may take, imports included."""
_KEPT = (
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "TZ",
    "LANG",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
)
_KEPT_BY_PREFIX = ("LC_", "PYTHON")
_ONE_THREAD = ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR", "VECLIB_MAXIMUM")


def environment() -> dict[str, str]:
    """A worker's environment: no secrets, and one thread, so that sums are the same on each
    machine."""
    kept = {
        name: value for name, value in os.environ.items()
        if name in _KEPT or name.startswith(_KEPT_BY_PREFIX)
    }  # fmt: skip
    return {
        **kept,
        **{f"{library}_NUM_THREADS": "1" for library in _ONE_THREAD},
        "PYTHONHASHSEED": "0",
    }


@dataclass(frozen=True, slots=True, eq=False)
class Process:
    """A worker: its streams, and `ended`, which gets its exit status, or None if that is
    unknown."""

    pid: int
    modules: frozenset[str]
    """The slow modules that it has imported."""
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    ended: "asyncio.Future[int | None]"

    async def read(self) -> bytes:
        """The next frame. Raises IncompleteReadError, ConnectionError, ValueError if it cannot be
        one."""
        (size,) = LENGTH.unpack(await self.reader.readexactly(LENGTH.size))
        if size > MAX_FRAME_BYTES:
            raise ValueError(f"a frame of {size:,} bytes")
        return await self.reader.readexactly(size)


class ForkserverClient(asyncio.Protocol):
    """One running forkserver. `lost`: it is gone, and its workers with it. Use
    `ForkserverClient.start`."""

    def __init__(self, program: "subprocess.Popen[bytes]", control: socket.socket) -> None:
        self._program = program
        self._control = control
        self._transport: asyncio.BaseTransport | None = None
        self._lines = b""
        self._asked: deque[asyncio.Future[tuple[dict[str, Any], asyncio.Future[int | None]]]] = (
            deque()
        )
        self._ended: dict[int, asyncio.Future[int | None]] = {}
        self.lost = False

    @classmethod
    async def start(cls, memory: int) -> "ForkserverClient":
        """Start it, without waiting for its imports. `memory`: bytes for each worker. Raises
        OSError."""
        program, ours = _launch(memory)
        _, server = await asyncio.get_running_loop().create_unix_connection(
            lambda: cls(program, ours), sock=ours
        )
        return server

    async def fork(self, modules: Collection[str]) -> Process:
        """A new worker that has imported these modules. Raises OSError, TimeoutError."""
        if self.lost:
            raise ConnectionResetError("the forkserver of the searches is gone")
        ours, theirs = socket.socketpair()
        reply: asyncio.Future[tuple[dict[str, Any], asyncio.Future[int | None]]]
        reply = asyncio.get_running_loop().create_future()
        self._asked.append(reply)
        try:
            with theirs:
                socket.send_fds(
                    self._control, [_line({"modules": sorted(modules)})], [theirs.fileno()]
                )
            async with asyncio.timeout(START_SECONDS):
                answer, ended = await reply
        except BaseException as error:
            ours.close()
            if isinstance(error, TimeoutError):  # it hangs
                self._end_all()
            raise
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        return Process(answer["pid"], frozenset(answer["modules"]), reader, writer, ended)

    def kill(self, process: Process) -> None:
        """Kill a worker, unless it has ended; the forkserver does it, for only the parent can trust
        the pid."""
        process.writer.close()
        if not self.lost and not process.ended.done():
            with suppress(OSError):
                socket.send_fds(self._control, [_line({"kill": process.pid})], [])

    async def close(self) -> None:
        """End it and its workers at once."""
        self._end_all()
        await asyncio.to_thread(self._program.wait)
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self.lost:  # it was given up; late messages are ignored
            return
        *lines, self._lines = (self._lines + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "ended" in message:
                self._ended.pop(message["ended"]).set_result(message["status"])
            else:
                self._receive_answer(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_all()

    def _receive_answer(self, message: dict[str, Any]) -> None:
        reply = self._asked.popleft()
        if "error" in message:
            if not reply.done():
                reply.set_exception(OSError(message["error"]))
            return
        ended = self._ended[message["pid"]] = asyncio.get_running_loop().create_future()
        if (
            not reply.done()
        ):  # else nobody waits for it any more; its socket is closed, so it ends by itself
            reply.set_result((message, ended))

    def _end_all(self) -> None:
        """Kill its process group; the id stays its own until we have waited for it."""
        if self.lost:
            return
        self.lost = True
        with suppress(
            ProcessLookupError, PermissionError
        ):  # macOS raises the latter for processes that have ended
            os.killpg(self._program.pid, signal.SIGKILL)
        for reply in self._asked:
            if not reply.done():
                reply.set_exception(
                    ConnectionResetError("the forkserver of the searches has ended")
                )
        for ended in self._ended.values():
            ended.set_result(None)
        self._asked.clear()
        self._ended.clear()


def _launch(memory: int) -> "tuple[subprocess.Popen[bytes], socket.socket]":
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        program = subprocess.Popen(
            command("controller.suggestion.forkserver", str(os.getpid()), str(memory)),
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            env=environment(),
            start_new_session=True,
        )
    return program, ours


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"
