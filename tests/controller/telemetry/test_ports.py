"""The ports answer whoever asks in a normal way, whatever others do."""

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection

import pytest

from controller.telemetry.ports import MOST_CLIENTS, Response, health_page, metrics_page, serve

PROBLEMS: list[str] = []


def broken() -> Response:
    raise RuntimeError("secret")


@pytest.fixture
def port() -> Iterator[int]:
    PROBLEMS.clear()
    pages = {
        "/metrics": metrics_page,
        "/readyz": health_page(lambda: list(PROBLEMS)),
        "/broken": broken,
    }
    with serve("127.0.0.1", 0, pages) as port:
        yield port


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def test_pages(port: int) -> None:
    assert ask(port, "/readyz") == (200, "ok\n")
    PROBLEMS.append("no contact with Kafka for 10 s")
    assert ask(port, "/readyz?verbose") == (503, "no contact with Kafka for 10 s\n")
    with socket.create_connection(("127.0.0.1", port), 5) as head, head.makefile("rb") as answer:
        head.sendall(b"HEAD /readyz HTTP/1.0\r\n\r\n")
        text = answer.read()
    assert text.startswith(b"HTTP/1.0 503")
    assert text.endswith(b"\r\n\r\n")  # no body
    code, shown = ask(port, "/metrics")
    assert (code, "# TYPE trialstream_points_total counter" in shown) == (200, True)
    assert ask(port, "/else")[0] == 404
    assert ask(port, "/readyz", "POST")[0] == 501


def test_a_page_that_fails_says_so_and_keeps_its_secrets(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    code, text = ask(port, "/broken")
    assert (code, "secret" in text) == (500, False)
    assert "RuntimeError: secret" in caplog.text
    assert ask(port, "/readyz")[0] == 200


def test_clients_that_say_nothing_do_not_keep_others_out(port: int) -> None:
    with ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
            for _ in range(MOST_CLIENTS)
        ]
        for one in silent:
            one.sendall(b"GET /rea")
        assert ask(port, "/readyz") == (200, "ok\n")
        assert silent[0].recv(1) == b""  # the oldest was cut off for it
        silent[-1].settimeout(0.2)
        with pytest.raises(TimeoutError):
            silent[-1].recv(1)


def test_closed_at_the_end_although_a_client_is_silent() -> None:
    with (
        serve("127.0.0.1", 0, {"/metrics": metrics_page}) as port,
        socket.create_connection(("127.0.0.1", port)) as silent,
    ):
        silent.sendall(b"GET")
        assert ask(port, "/metrics")[0] == 200
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2)


def test_a_port_that_is_taken(port: int) -> None:
    with pytest.raises(OSError, match="in use"), serve("127.0.0.1", port, {}):
        pass
