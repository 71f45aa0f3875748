"""The API server over raw JSON: each request with a deadline, writes at a rate_limiter, errors by what to do next."""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import aiohttp
import orjson
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, Configuration

from controller.telemetry.catalogue import API_REQUESTS
from events.errors import AbandonError, RefusalError, RetryError, TrialstreamError

DEADLINE = aiohttp.ClientTimeout(total=15, connect=10, sock_connect=5, sock_read=10)
"""Seconds; of streams only the connecting and the silence are bounded."""
MOST_WRITES = 32
"""Under way at once: a server that answers slowly is asked less, rather than with ever more connections."""
CONNECT_SECONDS = 5.0
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
AGENT = "trialstream"
SPARE = 0.2
"""The share of the writes that is kept for those that can wait."""
_TRANSIENT = frozenset({408, 429})
_TROUBLES = (aiohttp.ClientError, TimeoutError, OSError, ssl.SSLError)

logging.getLogger("kubernetes_asyncio.client.rest").setLevel(logging.INFO)  # it would print Secrets


class ApiError(TrialstreamError):
    """The server's own words. `status`: of HTTP, 0 = there was no answer; `details` as in Kubernetes' Status."""

    def __init__(self, status: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.details = status, reason, message, details or {}


class NotFoundError(ApiError, AbandonError):
    """There is no such object, or no such resource."""


class ConflictError(ApiError, RetryError):
    """It exists already, or it has changed meanwhile; `reason` tells which."""


class ExpiredError(ApiError, RetryError):
    """What was asked to be continued is too old: list again."""


class RefusedError(ApiError, RefusalError):
    """To ask again changes nothing by itself."""


class ThrottledError(ApiError, RetryError):
    """It was not asked for: there is no room now for what can wait."""


class ApiUnavailableError(ApiError, RetryError):
    """No answer, or one that passes; `retry_after`: seconds that the server asks for."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float = 0.0) -> None:
        super().__init__(status, reason, message)
        self.retry_after = retry_after


class Priority(Enum):
    """How urgent a write is."""

    FIRST = auto()
    """What people wait for, and what ends something."""
    IN_LINE = auto()
    """Starts: there may be thousands."""
    SPARE = auto()
    """What can wait: ThrottledError is raised while there is no room for it."""


@dataclass(slots=True)
class RateLimiter:
    """A bucket of tokens, one for each write; `rate` a second, twice as many at once.

    What can wait takes what is left over, and SPARE of all that is written in any case: late, but not forgotten."""

    rate: float
    tokens: float = 0.0
    spare: float = 0.0
    at: float = 0.0
    under_way: int = 0
    lines: tuple[asyncio.Lock, asyncio.Lock] = field(default_factory=lambda: (asyncio.Lock(), asyncio.Lock()))
    """Of those in line, and of `first`."""
    waiting: list[int] = field(default_factory=lambda: [0, 0])

    async def turn(self, *, first: bool = False) -> None:
        """Return when it is our turn, in the order in which turns were asked for, those of `first` before all others.

        Whoever had a turn calls `done`."""
        self.waiting[first] += 1
        try:
            async with self.lines[first]:
                self._fill()
                while self.tokens < 1 or self.under_way >= MOST_WRITES or (self.waiting[True] and not first):
                    await asyncio.sleep(max(1 - self.tokens, 1) / self.rate)
                    self._fill()
        finally:
            self.waiting[first] -= 1
        self.tokens -= 1
        self.spare = min(SPARE * self.rate, self.spare + SPARE / (1 - SPARE))
        self.under_way += 1

    def has_room(self) -> bool:
        """A turn for what can wait, if there is one now."""
        self._fill()
        left_over = self.tokens >= 1 and not any(self.waiting)
        if self.under_way >= MOST_WRITES or (not left_over and (self.spare < 1 or self.tokens < -self.rate)):
            return False
        self.tokens -= 1
        self.under_way += 1
        self.spare = max(0.0, self.spare - 1)
        return True

    def done(self) -> None:
        """A write that had its turn is answered, or given up."""
        self.under_way -= 1

    def rest(self, seconds: float) -> None:
        """The server is overloaded: nobody has a turn for so long."""
        self.tokens = min(self.tokens, -seconds * self.rate)
        self.spare = 0.0

    def _fill(self) -> None:
        moment = time.monotonic()
        self.tokens = min(2 * self.rate, self.tokens + (moment - self.at) * self.rate)
        self.at = moment


class Api:
    """Paths begin with /api or /apis; objects are parsed JSON. All methods raise ApiError. Use `open_api`.

    Writes of Priority.SPARE raise ThrottledError, too."""

    def __init__(self, client: ApiClient, streams: ApiClient, rate_limiter: RateLimiter) -> None:
        self._client = client
        self._streams = streams
        self._rate_limiter = rate_limiter

    async def get(self, path: str, *, seconds: float | None = None, **query: str) -> dict[str, Any]:
        """`seconds`: how long it may take, where that is more than usual."""
        if seconds is None:
            return await self._ask("GET", path, query)
        deadline = aiohttp.ClientTimeout(total=seconds, connect=10, sock_connect=5, sock_read=seconds)
        return await self._ask("GET", path, query, deadline=deadline)

    async def create(
        self, path: str, body: Mapping[str, Any], *, priority: Priority = Priority.IN_LINE, **query: str
    ) -> dict[str, Any]:
        """`path` is the collection's. Raises ConflictError if the name is taken."""
        return await self._write("POST", path, body, priority=priority, **query)

    async def patch(
        self, path: str, body: Mapping[str, Any], *, apply: bool = False, priority: Priority = Priority.FIRST
    ) -> dict[str, Any]:
        """Merge, or apply on the server's side as our field manager, whoever had the fields before."""
        if apply:
            return await self._write("PATCH", path, body, APPLY, priority=priority, fieldManager=AGENT, force="true")
        return await self._write("PATCH", path, body, MERGE, priority=priority)

    async def delete(
        self, path: str, *, uid: str | None = None, propagation: str = "Foreground", priority: Priority = Priority.FIRST
    ) -> bool:
        """Ask for the end of the object, with `uid` only of that very one. False: it is not there any more."""
        body: dict[str, Any] = {"propagationPolicy": propagation}
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        try:
            await self._write("DELETE", path, body, priority=priority)
        except (NotFoundError, ConflictError):  # Conflict: another object has the name by now
            return False
        return True

    async def chunks(self, path: str, *, silence: float, **query: str) -> AsyncGenerator[bytes]:
        """A response as it comes, until its end; ApiUnavailableError after `silence` seconds without a byte."""
        timeout = aiohttp.ClientTimeout(connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=silence)
        response = await self._request(self._streams, "GET", path, query, None, None, timeout)
        try:
            if response.status >= 400:
                raise _error(response.status, await response.read(), response.headers.get("Retry-After"))
            async for chunk in response.content.iter_any():
                yield chunk
        except _TROUBLES as error:
            raise ApiUnavailableError(0, "Interrupted", f"GET {path}: {_words(error)}") from None
        finally:
            response.close()

    async def lines(self, path: str, *, silence: float, **query: str) -> AsyncGenerator[bytes]:
        """As `chunks`, line by line; an unterminated last line is dropped."""
        rest = bytearray()
        chunks = self.chunks(path, silence=silence, **query)
        try:
            async for chunk in chunks:
                rest += chunk
                *whole, last = rest.split(b"\n")
                for line in whole:
                    yield bytes(line)
                rest = last
        finally:
            await chunks.aclose()

    async def _write(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any],
        content: str | None = None,
        *,
        priority: Priority,
        **query: str,
    ) -> dict[str, Any]:
        if priority is not Priority.SPARE:
            await self._rate_limiter.turn(first=priority is Priority.FIRST)
        elif not self._rate_limiter.has_room():
            raise ThrottledError(0, "NoRoom", f"{method} {path}: it has to wait for writes that are more urgent")
        try:
            return await self._ask(method, path, query, body, content)
        except ApiUnavailableError as error:
            if error.retry_after:
                self._rate_limiter.rest(error.retry_after)
            raise
        finally:
            self._rate_limiter.done()

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        content: str | None = None,
        deadline: aiohttp.ClientTimeout = DEADLINE,
    ) -> dict[str, Any]:
        response = await self._request(self._client, method, path, query, body, content, deadline)
        try:
            data = await response.read()
        except _TROUBLES as error:
            raise ApiUnavailableError(0, "Interrupted", f"{method} {path}: {_words(error)}") from None
        if response.status >= 400:
            raise _error(response.status, data, response.headers.get("Retry-After"))
        try:
            answer = orjson.loads(data)
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            raise ApiUnavailableError(response.status, "Unreadable", f"{method} {path}: the answer is no JSON object")
        return answer

    async def _request(
        self,
        client: ApiClient,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None,
        content: str | None,
        deadline: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json, */*", "User-Agent": AGENT}
        headers["Content-Type"] = content or "application/json"
        try:
            await client.update_params_for_auth(headers, [], ["BearerToken"])
            response: aiohttp.ClientResponse = await client.rest_client.request(
                method,
                f"{client.configuration.host}{path}",
                query_params=dict(query),
                headers=headers,
                body=body,
                _preload_content=False,
                _request_timeout=deadline,
            )
        except (*_TROUBLES, config.ConfigException) as error:  # ConfigException: the token's file is being renewed
            API_REQUESTS.labels(method, "none").inc()
            raise ApiUnavailableError(0, "Unreachable", f"{method} {path}: {_words(error)}") from None
        API_REQUESTS.labels(method, f"{response.status // 100}xx").inc()
        return response


@asynccontextmanager
async def open_api(*, writes_per_second: float = 50.0) -> AsyncIterator[Api]:
    """The cluster that this process is in, else the one that KUBECONFIG (or ~/.kube/config) names. Raises OSError."""
    known = Configuration()
    try:
        config.load_incluster_config(client_configuration=known)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        try:
            await config.load_kube_config(client_configuration=known)
        except (config.ConfigException, OSError) as error:
            raise OSError(f"no Kubernetes: run in a pod, or name a kubeconfig file in KUBECONFIG ({error})") from None
    known.connection_pool_maxsize = 100
    async with ApiClient(configuration=known) as client, ApiClient(configuration=known) as streams:
        try:
            yield Api(client, streams, RateLimiter(writes_per_second, 2 * writes_per_second, at=time.monotonic()))
        finally:
            for one in (client, streams):  # else TLS says good-bye after the loop has ended, and sockets stay open
                await one.rest_client.pool_manager.connector.close(abort_ssl=True)


def _error(status: int, data: bytes, retry_after: str | None) -> ApiError:
    try:
        told = orjson.loads(data)
    except orjson.JSONDecodeError:
        told = None
    if not isinstance(told, dict):
        told = {"message": data[:200].decode(errors="replace")}
    return error_of({**told, "code": status}, float(retry_after) if retry_after and retry_after.isdigit() else 0.0)


def error_of(told: Mapping[str, Any], retry_after: float = 0.0) -> ApiError:
    """A Status of Kubernetes as an exception."""
    status, reason = int(told.get("code") or 500), str(told.get("reason") or "")
    message, details = str(told.get("message") or f"HTTP {status}"), told.get("details") or {}
    if status in _TRANSIENT or status >= 500:
        return ApiUnavailableError(status, reason, message, retry_after)
    kinds: dict[int, type[ApiError]] = {404: NotFoundError, 409: ConflictError, 410: ExpiredError}
    return kinds.get(status, RefusedError)(status, reason, message, details)


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
