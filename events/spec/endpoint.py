"""The endpoint that a trial exposes for Prometheus, as an experiment names it."""

from collections.abc import Iterator
from typing import Annotated

from events.model import Int32, Many, SpecPart, Text
from events.spec.problem import Path, Problem

DEFAULT_PATH, DEFAULT_PORT = "/metrics", 8080
INTERVAL_SECONDS = 1.0
SHORTEST_INTERVAL, LONGEST_INTERVAL = 0.1, 3600.0
MOST_HEADERS = 20
HOSTS = ("localhost", "127.0.0.1", "::1")
"""A trial's metrics come from the trial alone."""
SCHEMES = ("HTTP", "HTTPS")


class HttpHeader(SpecPart):
    name: Text
    value: Text


class HttpGet(SpecPart):
    """Of Kubernetes, as for probes; the interval is ours."""

    path: Text | None = None
    port: Int32 | Text | None = None
    host: Text | None = None
    scheme: Text | None = None
    http_headers: Annotated[tuple[HttpHeader, ...], Many] = ()
    interval_seconds: float | None = None

    @property
    def port_number(self) -> int:
        """Raises ValueError if it is no number."""
        return DEFAULT_PORT if self.port is None else int(self.port)

    @property
    def place(self) -> str:
        """Where it is looked for, as a person would write it."""
        return f"localhost:{self.port_number}{self.path or DEFAULT_PATH}"

    @property
    def interval(self) -> float:
        """Seconds between two scrapes."""
        return INTERVAL_SECONDS if self.interval_seconds is None else self.interval_seconds


def http_get_problems(get: HttpGet, where: Path) -> Iterator[Problem]:
    """What of it cannot be scraped."""
    if get.port is not None and not _is_port(get.port):
        yield Problem((*where, "port"), f"{get.port!r} must be a number from 1 to 65535")
    if get.path is not None and not _is_path(get.path):
        yield Problem((*where, "path"), f"{get.path!r} must begin with / and have no spaces")
    if get.host and get.host not in HOSTS:
        yield Problem(
            (*where, "host"),
            f"{get.host!r} is not the trial itself, and nothing else is asked; remove it",
        )
    if get.scheme is not None and get.scheme not in SCHEMES:
        yield Problem((*where, "scheme"), f"{get.scheme!r} must be {' or '.join(SCHEMES)}")
    seconds = get.interval_seconds
    if seconds is not None and not SHORTEST_INTERVAL <= seconds <= LONGEST_INTERVAL:
        yield Problem(
            (*where, "intervalSeconds"),
            f"{seconds:g} must be from {SHORTEST_INTERVAL:g} to {LONGEST_INTERVAL:g}",
        )
    if len(get.http_headers) > MOST_HEADERS:
        yield Problem((*where, "httpHeaders"), f"has more than {MOST_HEADERS} headers")
    for index, header in enumerate(get.http_headers):
        if not _is_header(header):
            yield Problem((*where, "httpHeaders", index), f"{header.name!r} is no header of HTTP")


def _is_port(port: int | str) -> bool:
    text = str(port)
    return text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535


def _is_path(path: str) -> bool:
    return path.startswith("/") and path.isascii() and path.isprintable() and " " not in path


def _is_header(header: HttpHeader) -> bool:
    name = header.name.replace("-", "").replace("_", "")
    return (
        name.isascii()
        and name.isalnum()
        and header.value.isascii()
        and (header.value.isprintable() or not header.value)
    )
