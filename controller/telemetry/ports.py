"""The ports: /metrics on one, /healthz and /readyz on another, each answered by threads of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from controller.telemetry.catalogue import REGISTRY

PATIENCE_SECONDS = 5.0
Answer = tuple[int, str, bytes]
Page = Callable[[], Answer]


def metrics() -> Answer:
    """All metrics as Prometheus reads them."""
    return 200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY)


def reasons(why: Callable[[], list[str]]) -> Page:
    """A page that is fine while there is no reason why not."""

    def page() -> Answer:
        found = why()
        return (503 if found else 200), "text/plain; charset=utf-8", ("\n".join(found or ["ok"]) + "\n").encode()

    return page


@contextmanager
def served(host: str, port: int, pages: dict[str, Page]) -> Iterator[int]:
    """Answer GET and HEAD for these pages until left; the port, which is chosen if 0 was asked for. Raises OSError."""

    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE_SECONDS

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            code, kind, body = page() if page else (404, "text/plain", (" ".join(pages) + "\n").encode())
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server((host, port), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(PATIENCE_SECONDS)
