"""Scrape what a trial exposes for Prometheus, again and again, and wait for no answer."""

import ssl
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from threading import Thread

import orjson

from collectors.limits import USUAL, Limits
from collectors.sources.below import open_below
from collectors.sources.exposition import Page, Wanted
from collectors.sources.watch import Unwatched
from events.diagnosis import Diagnosis
from events.metrics import Point
from events.spec.endpoint import DEFAULT_PATH, HttpGet

LAST_SECONDS = 0.2
"""What the last scrape may take: the trial has ended, and its endpoint is usually gone."""
_LOOK_SECONDS = 0.05
"""Between two looks whether a scrape is done or due."""
_ACCEPT = "text/plain;version=0.0.4"


class Endpoint:
    """The values that a program on this host exposes.

    Each scrape goes on in a thread of its own, one at a time. A value that is as it was at the last
    scrape is no new report; `step` counts the reports of each metric from 1. Where several samples
    have the name of a metric and none has exactly its labels, it has no value. The port is the one
    in `port_file`, if there is such a file.
    """

    def __init__(
        self,
        get: HttpGet,
        metrics: Sequence[str],
        clock: Callable[[], datetime],
        port_file: Path,
        limits: Limits = USUAL,
    ) -> None:
        self._get = get
        self._limits = limits
        self._wanted = [Wanted.of(metric) for metric in metrics]
        self._clock = clock
        self._port_file = port_file
        self._steps: Counter[str] = Counter()
        self._last: dict[str, str] = {}
        """By metric, the value of the last scrape."""
        self._scrape: _Scrape | None = None
        self._due = 0.0
        self._ended = False
        self._page: Page | None = None
        self._failure = ""

    def read(self) -> list[Point]:
        """What the last scrape has found, if it is done; begins the next one if that is due."""
        points: list[Point] = []
        if self._scrape is not None and not self._scrape.is_alive():
            points = self._taken(self._scrape)
            self._scrape = None
        if self._scrape is None and time.monotonic() >= self._due:
            self._scrape = self._begun()
        return points

    def finish(self) -> list[Point]:
        """As `read`, with one last scrape."""
        if self._ended:
            return []
        self._ended = True
        last = self._begun()
        last.join(LAST_SECONDS)
        done = [one for one in (self._scrape, last) if one is not None and not one.is_alive()]
        return [point for one in done for point in self._taken(one)]

    def diagnosis(self) -> Diagnosis | None:
        """What the last page has instead of a metric, or why there was none."""
        missing = [one for one in self._wanted if not self._steps[one.metric]]
        if not missing:
            return None
        if self._page is None:
            return Diagnosis(absent=True, failure=self._failure)
        others = self._page.names(missing)
        return Diagnosis(empty=not others, others=others, failure=self._failure)

    def texts(self) -> dict[str, str]:
        """A page holds numbers alone."""
        return {}

    def state(self) -> bytes:
        """What has been reported, for `restore`."""
        return orjson.dumps([self._steps, self._last])

    def restore(self, state: bytes) -> None:
        """Continue where another reader of the same endpoint was."""
        steps, self._last = orjson.loads(state)
        self._steps = Counter(steps)

    def watching(self, changed: Callable[[], None]) -> AbstractContextManager[Unwatched]:
        """Nothing tells of new values: they are looked for again and again."""
        return nullcontext(Unwatched(_LOOK_SECONDS))

    def _begun(self) -> "_Scrape":
        self._due = time.monotonic() + self._get.interval
        scrape = _Scrape(self._get, self._port_file, self._wanted, self._limits)
        scrape.start()
        return scrape

    def _taken(self, scrape: "_Scrape") -> list[Point]:
        self._failure = scrape.failure
        if scrape.page is None:
            return []
        self._page = scrape.page
        return [
            self._point(metric, value, at)
            for metric, value, at in scrape.values
            if self._last.get(metric) != repr(value)
        ]

    def _point(self, metric: str, value: float, at: datetime | None) -> Point:
        self._last[metric] = repr(value)
        self._steps[metric] += 1
        return Point(metric, self._steps[metric], at or self._clock(), value)


class _Scrape(Thread):
    """One scrape; once the thread has ended, there is a page, or the reason why there is none."""

    def __init__(
        self, get: HttpGet, port_file: Path, wanted: Sequence[Wanted], limits: Limits
    ) -> None:
        super().__init__(name="scrape", daemon=True)  # of an endpoint that never ends its answer
        self._get = get
        self._port_file = port_file
        self._wanted = wanted
        self._limits = limits
        self.page: Page | None = None
        self.values: list[tuple[str, float, datetime | None]] = []
        self.failure = ""

    def run(self) -> None:
        try:
            page = _fetched(self._get, self._port(), self._limits)
            self.values, self.page = list(page.values(self._wanted)), page
        except (HTTPException, OSError, ValueError) as error:
            self.failure = str(error) or type(error).__name__

    def _port(self) -> int:
        try:
            with open_below(self._port_file.parent, self._port_file) as file:
                return int(file.read(16))
        except FileNotFoundError:
            return self._get.port_number


def _fetched(get: HttpGet, port: int, limits: Limits) -> Page:
    """Raises OSError, HTTPException, or ValueError for an answer that is no page."""
    deadline = time.monotonic() + limits.answer_seconds
    headers = {"Accept": _ACCEPT, **{one.name: one.value for one in get.http_headers}}
    with closing(_connection(get, port, limits.answer_seconds)) as connection:
        connection.request("GET", get.path or DEFAULT_PATH, headers=headers)
        response = connection.getresponse()
        if response.status != 200:
            raise ValueError(f"it answered {response.status} {response.reason}")
        text = _body(response, deadline, limits)
        return Page(text, response.headers.get("Content-Type", ""))


def _connection(get: HttpGet, port: int, seconds: float) -> HTTPConnection:
    if get.scheme != "HTTPS":
        return HTTPConnection("localhost", port, timeout=seconds)
    # As for Kubernetes' own probes: what is on this host needs no certificate that others trust.
    trusting = ssl._create_unverified_context()
    return HTTPSConnection("localhost", port, timeout=seconds, context=trusting)


def _body(response: HTTPResponse, deadline: float, limits: Limits) -> str:
    body = bytearray()
    while part := response.read1(64 * 1024):
        body += part
        if len(body) > limits.page_bytes:
            raise ValueError(f"its page has more than {limits.page_bytes // 1024:,} KiB")
        if time.monotonic() > deadline:
            raise ValueError(f"its page was not there after {limits.answer_seconds:g} s")
    return body.decode(errors="replace")
