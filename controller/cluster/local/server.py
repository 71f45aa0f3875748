"""The supervisor's unix socket: its clients, their requests, and the events that all of them
get."""

import os
import selectors
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from controller.cluster.local.json_socket import JsonSocket, Message

FIRST_CLIENT_SECONDS = 10.0
"""How long a new supervisor waits for its first client."""


class Server:
    """`answer` replies to a request, now or later; `greeting` has the messages that each new
    client gets first."""

    def __init__(
        self,
        listener: socket.socket,
        selector: selectors.BaseSelector,
        answer: "Callable[[Message, Reply], None]",
        greeting: Callable[[], Iterable[Message]],
    ) -> None:
        self._selector = selector
        self._answer = answer
        self._greeting = greeting
        self._clients: set[JsonSocket] = set()
        self.open_until = time.monotonic() + FIRST_CLIENT_SECONDS
        """It is needed until then, even without a client; 0 once there was one."""
        selector.register(listener, selectors.EVENT_READ, partial(self._accept, listener))

    def is_needed(self) -> bool:
        """Has it clients, or may the first one still come?"""
        return bool(self._clients) or time.monotonic() < self.open_until

    def publish(self, event: Message) -> None:
        """Send an event to all clients."""
        for client in list(self._clients):
            self.send(client, event)

    def has(self, client: JsonSocket) -> bool:
        """Is it still connected?"""
        return client in self._clients

    def send(self, client: JsonSocket, message: Message) -> None:
        """Send a message to one client; one that does not take it is dropped."""
        try:
            client.send(message)
            self._watch(client)
        except (OSError, ValueError):
            self._drop(client)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:  # the client has gone already, or we are out of file descriptors
            return
        client = JsonSocket(connection)
        self._clients.add(client)
        self.open_until = 0.0
        self._selector.register(connection, selectors.EVENT_READ, partial(self._serve, client))
        for message in self._greeting():
            self.send(client, message)

    def _serve(self, client: JsonSocket) -> None:
        """Send what is unsent, answer what has arrived; drop a connection that breaks or sends no
        valid request."""
        try:
            client.flush()
            for request in client.receive():
                self._answer(request, Reply(self, client, request["id"]))
            self._watch(client)
        except (EOFError, OSError):
            self._drop(client)
        except Exception:  # no client's request may end the trials of all
            log_error(traceback.format_exc())
            self._drop(client)

    def _watch(self, client: JsonSocket) -> None:
        if client in self._clients:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.unsent else 0)
            self._selector.modify(client.socket, events, partial(self._serve, client))

    def _drop(self, client: JsonSocket) -> None:
        if client in self._clients:
            self._clients.remove(client)
            self._selector.unregister(client.socket)
            client.socket.close()


class Reply(NamedTuple):
    """Where the answer to one request goes."""

    server: Server
    client: JsonSocket
    request: int

    def send(self, message: Message) -> None:
        self.server.send(self.client, {"re": self.request, **message})

    def refuse(self, error: OSError) -> None:
        """Say why what was asked could not be done."""
        file = error.filename if isinstance(error.filename, str) else None
        text = error.strerror or str(error)
        self.send({"error": text, "errno": error.errno, "file": file})

    def is_open(self) -> bool:
        return self.server.has(self.client)


def listen(path: str) -> socket.socket:
    """A socket for its owner alone. It gets its name when it listens, so that a refused connection
    means death."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.new")
    os.chmod(f"{path}.new", 0o600)
    listener.listen(128)
    listener.setblocking(False)
    os.rename(f"{path}.new", path)
    return listener


def log_error(text: str) -> None:
    """Write to stderr, which is the supervisor's log."""
    with suppress(OSError):  # the log may be on the disk that is full
        print(text, file=sys.stderr, flush=True)
