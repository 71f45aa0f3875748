"""The ports: /metrics on one, /healthz and /readyz on another, each answered by threads of its own."""

import logging
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Thread
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from controller.telemetry.catalogue import REGISTRY

PATIENCE_SECONDS = 5.0
"""For each piece of a request."""
MOST_CLIENTS = 32
"""At once, for each port; one more, and the oldest is cut off: who asks in a normal way is long done."""
Answer = tuple[int, str, bytes]
Page = Callable[[], Answer]

_log = logging.getLogger(__name__)


def metrics() -> Answer:
    """All metrics as Prometheus reads them."""
    return 200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY)


def answer(page: Page) -> Answer:
    """The page, or that it failed: the client is told, and the log why."""
    try:
        return page()
    except Exception:
        _log.exception("a page failed")
        return 500, "text/plain", b"failed; the log says why\n"


def reasons(why: Callable[[], list[str]]) -> Page:
    """A page that is fine while there is no reason why not."""

    def page() -> Answer:
        found = why()
        return (503 if found else 200), "text/plain; charset=utf-8", ("\n".join(found or ["ok"]) + "\n").encode()

    return page


class Server(ThreadingHTTPServer):
    """A thread for each client, a bounded number of them."""

    daemon_threads = True
    request_queue_size = MOST_CLIENTS

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._clients: deque[socket.socket] = deque()
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Without the look-up of our own name, which may take seconds."""
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        while len(self._clients) >= MOST_CLIENTS:
            _cut_off(self._clients.popleft())
        self._clients.append(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with suppress(ValueError):  # it may have been cut off
            self._clients.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news; the standard answer is a traceback on stderr."""
        _log.debug("a request from %s failed", client_address, exc_info=True)


def _cut_off(client: socket.socket) -> None:
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


@contextmanager
def served(host: str, port: int, pages: dict[str, Page]) -> Iterator[int]:
    """Answer GET and HEAD for these pages until left; the port, which is chosen if 0 was asked for. Raises OSError."""

    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE_SECONDS

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            code, kind, body = answer(page) if page else (404, "text/plain", (" ".join(pages) + "\n").encode())
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    with Server((host, port), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(PATIENCE_SECONDS)
