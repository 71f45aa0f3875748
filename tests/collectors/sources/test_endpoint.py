"""What a program exposes for Prometheus is read, from the real library and from odd servers."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, Histogram, Metric, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from collectors.limits import PAGE_BYTES, Limits
from collectors.sources.endpoint import Endpoint
from collectors.sources.exposition import OPEN_METRICS, Page, Wanted
from events.clock import now
from events.metrics import Point
from events.spec.endpoint import HttpGet, HttpHeader
from tests.eventually import eventually
from tests.tiers import tiered


class Program:
    """A program with metrics of its own, and its port."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.loss = Gauge("loss", "how far off", registry=self.registry)
        self.server, self.thread = start_http_server(0, "127.0.0.1", registry=self.registry)
        self.port = self.server.server_port

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def program() -> Iterator[Program]:
    opened = Program()
    yield opened
    opened.close()


def endpoint(port: int, *metrics: str, folder: Path, **asked: object) -> Endpoint:
    get = HttpGet.model_validate({"port": port, "intervalSeconds": 0.1, **asked}, strict=False)
    return Endpoint(get, metrics, now, folder / "port")


def next_points(source: Endpoint, count: int = 1) -> list[Point]:
    points: list[Point] = []

    def come() -> bool:
        points.extend(source.read())
        return len(points) >= count

    eventually(come)
    return points


def told(points: list[Point]) -> list[tuple[str, int, float]]:
    return [(point.metric, point.step, point.value) for point in points]


def test_each_new_value_is_a_report(program: Program, tmp_path: Path) -> None:
    source = endpoint(program.port, "loss", folder=tmp_path)
    assert told(next_points(source)) == [("loss", 1, 0.0)]
    for step, value in enumerate((0.5, 0.25), 2):
        program.loss.set(value)
        assert told(next_points(source)) == [("loss", step, value)]
    program.loss.set(0.125)
    assert told(source.finish()) == [("loss", 4, 0.125)]
    assert source.finish() == []
    assert source.diagnosis() is None


def test_a_value_that_stays_is_reported_once(program: Program, tmp_path: Path) -> None:
    program.loss.set(float("nan"))
    program.registry.register(Scrapes())
    source = endpoint(program.port, "loss", "scrapes", folder=tmp_path)
    points = next_points(source, 4)  # one of loss, and one of each scrape
    assert [one.metric for one in points].count("loss") == 1


class Scrapes(Collector):
    """A metric that says how often it was read."""

    count = 0

    def collect(self) -> Iterator[Metric]:
        self.count += 1
        yield GaugeMetricFamily("scrapes", "so far", value=self.count)


def test_the_program_may_come_late_and_its_port_may_be_another(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        source = endpoint(free.getsockname()[1], "loss", folder=tmp_path)
        for _ in range(3):
            assert source.read() == []
            time.sleep(0.05)
    program = Program()
    (tmp_path / "port").write_text(str(program.port))
    try:
        assert told(next_points(source)) == [("loss", 1, 0.0)]
    finally:
        program.close()


def test_another_reader_goes_on(program: Program, tmp_path: Path) -> None:
    first = endpoint(program.port, "loss", folder=tmp_path)
    program.loss.set(0.5)
    assert told(next_points(first)) == [("loss", 1, 0.5)]
    second = endpoint(program.port, "loss", folder=tmp_path)
    second.restore(first.state())
    assert second.finish() == []
    third = endpoint(program.port, "loss", folder=tmp_path)
    third.restore(second.state())
    program.loss.set(0.25)
    assert told(third.finish()) == [("loss", 2, 0.25)]


def test_labels_say_which_sample_is_meant(program: Program, tmp_path: Path) -> None:
    score = Gauge("score", "by set", ["set"], registry=program.registry)
    score.labels("train").set(0.9)
    score.labels("test").set(0.8)
    seconds = Histogram("seconds", "of steps", registry=program.registry)
    seconds.observe(3)
    wanted = ('score{set="test"}', "seconds_sum", 'seconds_bucket{le="5.0"}', "score")
    source = endpoint(program.port, *wanted, folder=tmp_path)
    points = told(next_points(source, 3))
    assert points == [(wanted[0], 1, 0.8), (wanted[1], 1, 3.0), (wanted[2], 1, 1.0)]
    seen = source.diagnosis()
    assert seen is not None
    assert {'score{set="test"}', 'score{set="train"}'} <= set(seen.others)


class Odd(BaseHTTPRequestHandler):
    """Answers as `answer` says."""

    answer: ClassVar[tuple[int, str, bytes]] = (200, "text/plain", b"")
    asked: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        status, kind, body = self.answer
        self.asked.update(self.headers.items(), path=self.path)
        self.send_response(status, "Not so")
        self.send_header("Content-Type", kind)
        self.send_header("Location", "http://localhost:1/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def answering(status: int, kind: str, body: bytes) -> Iterator[int]:
    Odd.answer = status, kind, body
    with ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (500, b"loss 1\n", "it answered 500 Not so"),
        (302, b"loss 1\n", "it answered 302 Not so"),
        (200, b"loss one\n", "could not convert string to float"),
        (200, b"loss 1\n" + b"#" * PAGE_BYTES, "its page has more than 1,024 KiB"),
    ],
)
def test_what_is_no_page_has_no_values_and_is_said(
    status: int, body: bytes, words: str, tmp_path: Path
) -> None:
    with answering(status, "text/plain", body) as port:
        source = endpoint(port, "loss", folder=tmp_path)
        source.read()
        eventually(lambda: bool(source.read()) or bool(source.diagnosis().failure))  # type: ignore[union-attr]
        assert source.finish() == []
        seen = source.diagnosis()
    assert seen is not None
    assert (seen.absent, words in seen.failure) == (True, True), seen


def test_it_asks_as_the_experiment_says(tmp_path: Path) -> None:
    headers = [{"name": "X-Token", "value": "abc"}]
    body = b"# TYPE loss gauge\nloss 0.5 1700000000.25\n# EOF\n"
    with answering(200, f"{OPEN_METRICS}; version=1.0.0", body) as port:
        source = endpoint(port, "loss", folder=tmp_path, path="/mine", httpHeaders=headers)
        (point,) = next_points(source)
    assert (Odd.asked["path"], Odd.asked["X-Token"]) == ("/mine", "abc")
    assert (point.value, point.at.timestamp()) == (0.5, 1700000000.25)


@contextmanager
def dripping() -> Iterator[int]:
    """A program whose page never ends."""
    gone = threading.Event()

    def drip(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.recv(4096)
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\nloss 1\n")
            while not gone.wait(0.01):
                client.sendall(b"# more\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=lambda: drip(listening.accept()[0]))
        thread.start()
        yield listening.getsockname()[1]
        gone.set()
        thread.join()


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(answer_seconds=0.2), "its page was not there after 0.2 s"),
        (Limits(page_bytes=1024), "its page has more than 1 KiB"),
    ],
)
def test_a_page_that_never_ends_is_left(limits: Limits, words: str, tmp_path: Path) -> None:
    with dripping() as port:
        get = HttpGet.model_validate({"port": port, "intervalSeconds": 60}, strict=False)
        source = Endpoint(get, ["loss"], now, tmp_path / "port", limits)
        eventually(lambda: bool(source.read()) or bool(source.diagnosis().failure))  # type: ignore[union-attr]
        seen = source.diagnosis()
    assert seen is not None
    assert seen.failure == words


def test_nobody_waits_for_a_program_that_never_answers(tmp_path: Path) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        source = endpoint(listening.getsockname()[1], "loss", folder=tmp_path)
        begin = time.monotonic()
        assert [source.read() for _ in range(10)] == [[]] * 10
        assert source.finish() == []
        assert time.monotonic() - begin < 2
        seen = source.diagnosis()
    assert seen is not None
    assert seen.absent


@settings(max_examples=tiered(2_000))
@given(
    text=st.text(alphabet=st.sampled_from('loss{}="\\\n #TYPEgauge0.5 nan,a\x00é')) | st.text(),
    kind=st.sampled_from(["text/plain", OPEN_METRICS]),
)
def test_any_page_is_read_or_refused(text: str, kind: str) -> None:
    wanted = [Wanted.of(metric) for metric in ("loss", 'loss{a="b"}', "val/loss", text[:20])]
    page = Page(text, kind)
    try:
        values = list(page.values(wanted))
    except ValueError:
        values = []
    assert len(values) <= len(wanted)
    assert len(page.names(wanted)) <= 5


def test_a_long_page_takes_little_time() -> None:
    text = "".join(f'other_{number}{{a="b"}} {number}\n' for number in range(30_000))
    page, begin = Page(f"{text}loss 0.5\n"), time.process_time()
    assert [value for _, value, _ in page.values([Wanted.of("loss")])] == [0.5]
    assert time.process_time() - begin < 0.5


def test_a_header_is_what_http_has() -> None:
    assert (
        HttpGet(http_headers=(HttpHeader(name="a", value="b"),)).place == "localhost:8080/metrics"
    )


@pytest.mark.parametrize("kind", ["text/plain", OPEN_METRICS])
@pytest.mark.parametrize("bad", ["lossy bad bad", "loss_bucket{", "loss.old 1 x y", '{"lossy" z'])
def test_a_bad_line_of_another_name_that_begins_alike_refuses_no_page(bad: str, kind: str) -> None:
    wanted = [Wanted.of("loss"), Wanted.of('score{set="a"}')]
    page = Page(f'{bad}\nloss 0.5\nscore{{set="a"}} 1\nscore{{set="b"}} 2\n', kind)
    assert [(name, value) for name, value, _ in page.values(wanted)] == [
        ("loss", 0.5),
        ('score{set="a"}', 1.0),
    ]


def test_names_in_quotes_and_before_tabs_are_found() -> None:
    wanted = [Wanted.of(name) for name in ("val/loss", "acc")]
    page = Page('{"val/loss"} 0.5\nacc\t1\n')
    assert {name for name, _, _ in page.values(wanted)} == {"val/loss", "acc"}
