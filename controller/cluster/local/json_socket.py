"""JSON lines over a socket that never blocks: the supervisor's end of a connection."""

import json
import socket
from collections.abc import Iterator
from typing import Any

MAX_UNSENT = 16 * 1024 * 1024
"""Bytes that wait for a peer that does not read; beyond, the connection is given up."""

Message = dict[str, Any]


class Wire:
    """One connection. Each method returns or raises at once; OSError and ValueError mean: drop it."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.socket = connection
        self._inbox = bytearray()
        self._outbox = bytearray()

    @property
    def unsent(self) -> bool:
        return bool(self._outbox)

    def receive(self) -> Iterator[Message]:
        """The messages that have come; EOFError after the last."""
        try:
            data = self.socket.recv(256 * 1024)
        except BlockingIOError:
            return
        if not data:
            raise EOFError
        self._inbox += data
        *lines, rest = self._inbox.split(b"\n")
        self._inbox = rest
        for line in lines:
            yield json.loads(line)

    def send(self, message: Message) -> None:
        self._outbox += json.dumps(message).encode() + b"\n"
        self.flush()
        if len(self._outbox) > MAX_UNSENT:
            raise OSError("the other end does not read")

    def flush(self) -> None:
        try:
            while self._outbox:
                del self._outbox[: self.socket.send(self._outbox)]
        except BlockingIOError:
            return
