"""The HTTP ports for metrics and health; their threads answer even if the event loop is blocked."""

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

CLIENT_SECONDS = 5.0
"""How long a client may take for each part of its request."""
MOST_CLIENTS = 32
"""Connections at once for each port; one more, and the oldest is closed: a normal request has long
ended by then."""
Response = tuple[int, str, bytes]
"""Status, content type, body."""
Page = Callable[[], Response]

_log = logging.getLogger(__name__)


def metrics_page() -> Response:
    """All metrics in the format of Prometheus."""
    return 200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY)


def render(page: Page) -> Response:
    """The page; if it raises, status 500, and the log says why."""
    try:
        return page()
    except Exception:
        _log.exception("a page failed")
        return 500, "text/plain", b"failed; the log says why\n"


def health_page(find_problems: Callable[[], list[str]]) -> Page:
    """A page with status 200 while there are no problems, else 503 with one problem a line."""

    def page() -> Response:
        problems = find_problems()
        text = "\n".join(problems or ["ok"]) + "\n"
        return (503 if problems else 200), "text/plain; charset=utf-8", text.encode()

    return page


class PageServer(ThreadingHTTPServer):
    """Serves each client in a thread of its own, at most MOST_CLIENTS at once."""

    daemon_threads = True
    request_queue_size = MOST_CLIENTS

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._clients: deque[socket.socket] = deque()
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without looking up our own host name, which may take seconds."""
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        while len(self._clients) >= MOST_CLIENTS:
            _close(self._clients.popleft())
        self._clients.append(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with suppress(ValueError):  # it may be closed already
            self._clients.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log at DEBUG only: clients may close their connections. The default prints a
        traceback."""
        _log.debug("a request from %s failed", client_address, exc_info=True)


def _close(client: socket.socket) -> None:
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


@contextmanager
def serve(host: str, port: int, pages: dict[str, Page]) -> Iterator[int]:
    """Answer GET and HEAD for `pages`, by path, while the context is open. Yields the port; `port`
    0: any free one.

    Raises OSError if the port is taken."""

    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_SECONDS

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            code, kind, body = (
                render(page) if page else (404, "text/plain", (" ".join(pages) + "\n").encode())
            )
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    with PageServer((host, port), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(CLIENT_SECONDS)
