"""JSON lines over a socket that never blocks: the supervisor's end of a connection."""

import json
import socket
from collections.abc import Iterator
from typing import Any

MAX_UNSENT = 16 * 1024 * 1024
"""Bytes that may wait for a peer that does not read; with more, the connection is given up."""

Message = dict[str, Any]


class JsonSocket:
    """One connection. Each method returns or raises at once; after an OSError or ValueError it must
    be dropped."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.socket = connection
        self._received = bytearray()
        self._unsent = bytearray()

    @property
    def unsent(self) -> bool:
        return bool(self._unsent)

    def receive(self) -> Iterator[Message]:
        """The messages that have arrived; EOFError after the last of the connection."""
        try:
            data = self.socket.recv(256 * 1024)
        except BlockingIOError:
            return
        if not data:
            raise EOFError
        self._received += data
        *lines, rest = self._received.split(b"\n")
        self._received = rest
        for line in lines:
            yield json.loads(line)

    def send(self, message: Message) -> None:
        self._unsent += json.dumps(message).encode() + b"\n"
        self.flush()
        if len(self._unsent) > MAX_UNSENT:
            raise OSError("the other end does not read")

    def flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self.socket.send(self._unsent)]
        except BlockingIOError:
            return
