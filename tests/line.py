"""A line between us and a server, as slow as is asked: all connections share its two directions."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

PIECE = 1460
"""Bytes that are sent at a time, as on a wire: connections take turns."""


@dataclass
class Direction:
    """One way of the line. `passed`: the bytes so far."""

    passed: int = 0
    _free_at: float = 0.0
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def take(self, count: int, rate: float) -> None:
        """Wait until so many bytes have passed; `rate`: bytes a second, 0 = no limit."""
        with self._turn:
            self.passed += count
            self._free_at = max(self._free_at, time.monotonic()) + (count / rate if rate else 0)
            until = self._free_at
        if (left := until - time.monotonic()) > 0:
            time.sleep(left)


@dataclass
class Line:
    """`target`: a port of this machine, or a socket's path. `rate`: bytes a second each way, 0 = no
    limit."""

    target: int | Path
    rate: float = 0.0
    is_cut: bool = False
    """Whoever connects is hung up on."""
    connections: int = 0
    """How often somebody has connected, also in vain."""
    there: Direction = field(default_factory=Direction)
    back: Direction = field(default_factory=Direction)
    _open: list[socket.socket] = field(default_factory=list)
    _listening: socket.socket = field(
        default_factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=128)
    )

    @property
    def port(self) -> int:
        port: int = self._listening.getsockname()[1]
        return port

    def accept(self) -> None:
        """Serve until it is closed."""
        with suppress(OSError):
            while True:
                ours, _ = self._listening.accept()
                self.connections += 1
                self._open.append(ours)
                _thread(self._join, ours)

    def _join(self, ours: socket.socket) -> None:
        """Connect onward, or hang up where nobody listens."""
        try:
            theirs = self._connect()
        except OSError:
            _hang_up(ours)
            return
        self._open.append(theirs)
        _thread(self._pass, theirs, ours, self.back)
        self._pass(ours, theirs, self.there)

    def _connect(self) -> socket.socket:
        if self.is_cut:
            raise ConnectionRefusedError
        if isinstance(self.target, int):
            return socket.create_connection(("127.0.0.1", self.target))
        theirs = socket.socket(socket.AF_UNIX)
        folder = os.open(self.target.parent, os.O_PATH)  # a socket's path has 107 bytes at most
        try:
            theirs.connect(f"/proc/self/fd/{folder}/{self.target.name}")
        finally:
            os.close(folder)
        return theirs

    def _pass(self, source: socket.socket, drain: socket.socket, way: Direction) -> None:
        with suppress(OSError):
            while data := source.recv(PIECE if self.rate else 65536):
                way.take(len(data), self.rate)
                drain.sendall(data)
        _hang_up(source)
        _hang_up(drain)

    def cut(self) -> None:
        """End all connections; there are no others until `is_cut` is false again."""
        self.is_cut = True
        while self._open:
            _hang_up(self._open.pop())

    def close(self) -> None:
        _hang_up(self._listening)
        self.cut()


def _thread(work: object, *arguments: object) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()  # type: ignore[arg-type]


def _hang_up(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@contextmanager
def line(target: int | Path, rate: float = 0.0) -> Iterator[Line]:
    """It listens on its `port` until it is left; then all its connections end."""
    opened = Line(target, rate)
    _thread(opened.accept)
    try:
        yield opened
    finally:
        opened.close()
