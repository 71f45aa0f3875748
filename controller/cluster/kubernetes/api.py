"""A client of the API server that speaks plain JSON: every request has a deadline, writes pass a
rate limiter."""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from weakref import WeakSet

import aiohttp
import orjson
from aiohappyeyeballs import AddrInfoType
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, Configuration

from controller.cluster.kubernetes.api_errors import (
    ApiError,
    ApiUnavailableError,
    ConflictError,
    NotFoundError,
    ThrottledError,
    WithdrawnError,
    error_from,
)
from controller.cluster.kubernetes.rate_limiter import Priority, RateLimiter
from controller.cluster.kubernetes.reading import parse_json
from controller.telemetry.catalogue import API_REQUESTS

DEADLINE = aiohttp.ClientTimeout(total=15, connect=10, sock_connect=5, sock_read=10)
"""For all requests but streams, for which only connecting and silence are bounded."""
CONNECT_SECONDS = 5.0
CLOSE_SECONDS = 2.0
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
AGENT = "trialstream"
"""Our name as a client, and as the manager of the fields we apply."""
_NETWORK_ERRORS = (aiohttp.ClientError, TimeoutError, OSError, ssl.SSLError)

logging.getLogger("kubernetes_asyncio.client.rest").setLevel(
    logging.INFO
)  # at DEBUG it prints Secrets


class Api:
    """Paths begin with /api or /apis; objects are parsed JSON. All methods raise ApiError. Use
    `open_api`.

    Writes of Priority.BACKGROUND raise ThrottledError, too."""

    def __init__(self, client: ApiClient, streams: ApiClient, rate_limiter: RateLimiter) -> None:
        self._client = client
        self._streams = streams
        self._rate_limiter = rate_limiter

    async def get(self, path: str, *, seconds: float | None = None, **query: str) -> dict[str, Any]:
        """`seconds`: how long it may take, if longer than usual."""
        if seconds is None:
            return await self._exchange("GET", path, query)
        deadline = aiohttp.ClientTimeout(
            total=seconds, connect=10, sock_connect=5, sock_read=seconds
        )
        return await self._exchange("GET", path, query, deadline=deadline)

    async def create(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        priority: Priority = Priority.NORMAL,
        wanted: Callable[[], bool] = lambda: True,
        **query: str,
    ) -> dict[str, Any]:
        """`path` is the collection's. `wanted` is asked right before the request is sent.

        Raises ConflictError if the name is taken, WithdrawnError if it is not wanted any more.
        """
        return await self._write("POST", path, body, priority=priority, wanted=wanted, **query)

    async def patch(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        apply: bool = False,
        priority: Priority = Priority.URGENT,
    ) -> dict[str, Any]:
        """Merge; or with `apply` a server-side apply that takes over the fields from any other
        manager."""
        if apply:
            return await self._write(
                "PATCH", path, body, APPLY, priority=priority, fieldManager=AGENT, force="true"
            )
        return await self._write("PATCH", path, body, MERGE, priority=priority)

    async def delete(
        self,
        path: str,
        *,
        uid: str | None = None,
        propagation: str = "Foreground",
        priority: Priority = Priority.URGENT,
    ) -> bool:
        """Delete the object; with `uid` only if it still is that very object. False: it no longer
        exists."""
        body: dict[str, Any] = {"propagationPolicy": propagation}
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        try:
            await self._write("DELETE", path, body, priority=priority)
        except (
            NotFoundError,
            ConflictError,
        ):  # ConflictError: the name belongs to another object by now
            return False
        return True

    async def chunks(self, path: str, *, silence: float, **query: str) -> AsyncGenerator[bytes]:
        """The bytes of a response as they arrive; ApiUnavailableError after `silence` seconds
        without any."""
        timeout = aiohttp.ClientTimeout(
            connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=silence
        )
        response = await self._request(self._streams, "GET", path, query, None, None, timeout)
        try:
            if response.status >= 400:
                raise _error_of(
                    response.status, await response.read(), response.headers.get("Retry-After")
                )
            async for chunk in response.content.iter_any():
                yield chunk
        except _NETWORK_ERRORS as error:
            raise ApiUnavailableError(0, "Interrupted", f"GET {path}: {_text_of(error)}") from None
        finally:
            response.close()

    async def lines(self, path: str, *, silence: float, **query: str) -> AsyncGenerator[bytes]:
        """The lines of a response as they arrive; a last line without its end is dropped."""
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
        wanted: Callable[[], bool] = lambda: True,
        **query: str,
    ) -> dict[str, Any]:
        if priority is not Priority.BACKGROUND:
            await self._rate_limiter.acquire(urgent=priority is Priority.URGENT)
        elif not self._rate_limiter.try_acquire():
            raise ThrottledError(
                0, "NoRoom", f"{method} {path}: other writes are more urgent; try again later"
            )
        try:
            if not wanted():
                raise WithdrawnError(0, "Withdrawn", f"{method} {path}: not wanted any more")
            return await self._exchange(method, path, query, body, content)
        except ApiUnavailableError as error:
            if error.retry_after:
                self._rate_limiter.back_off(error.retry_after)
            raise
        finally:
            self._rate_limiter.release()

    async def _exchange(
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
        except _NETWORK_ERRORS as error:
            raise ApiUnavailableError(
                0, "Interrupted", f"{method} {path}: {_text_of(error)}"
            ) from None
        if response.status >= 400:
            raise _error_of(response.status, data, response.headers.get("Retry-After"))
        try:
            answer = parse_json(data)
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            message = f"{method} {path}: the answer is not a JSON object"
            raise ApiUnavailableError(response.status, "Unreadable", message)
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
        except (*_NETWORK_ERRORS, config.ConfigException) as error:
            # ConfigException: the token's file is being renewed
            API_REQUESTS.labels(method, "none").inc()
            if isinstance(error, aiohttp.ClientSSLError):
                _read_authorities(client)
            raise ApiUnavailableError(
                0, "Unreachable", f"{method} {path}: {_text_of(error)}"
            ) from None
        API_REQUESTS.labels(method, f"{response.status // 100}xx").inc()
        return response


@asynccontextmanager
async def open_api(*, writes_per_second: float = 50.0) -> AsyncIterator[Api]:
    """A client of the cluster that this process runs in, else of the one in KUBECONFIG or
    ~/.kube/config.

    Raises OSError."""
    configuration = Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        try:
            await config.load_kube_config(client_configuration=configuration)
        except (config.ConfigException, OSError) as error:
            raise OSError(
                f"no Kubernetes: run in a pod, or name a kubeconfig file in KUBECONFIG ({error})"
            ) from None
    configuration.connection_pool_maxsize = 100
    sockets = _Sockets()
    async with (
        ApiClient(configuration=configuration) as client,
        ApiClient(configuration=configuration) as streams,
    ):
        for each in (client, streams):  # which take no connector of ours
            each.rest_client.pool_manager.connector._socket_factory = sockets.make
        try:
            limiter = RateLimiter(
                writes_per_second, 2 * writes_per_second, filled_at=time.monotonic()
            )
            yield Api(client, streams, limiter)
        finally:
            for each in (client, streams):
                await each.rest_client.pool_manager.connector.close(abort_ssl=True)
            await sockets.close()


def _read_authorities(client: ApiClient) -> None:
    """Trust what the file of authorities has now: it may have been replaced since it was read.
    What it had before is trusted, too, for as long as this client lives."""
    with suppress(OSError):  # it is being replaced: the next refusal reads it again
        connector: Any = client.rest_client.pool_manager.connector
        connector._ssl.load_verify_locations(cafile=client.configuration.ssl_ca_cert)


class _Sockets:
    """The sockets of clients. Connections that they left in the middle of an answer take leave of
    the server by TLS, for which aiohttp does not wait."""

    def __init__(self) -> None:
        self._made = WeakSet[socket.socket]()

    def make(self, address: AddrInfoType) -> socket.socket:
        """For aiohttp's connectors."""
        made = socket.socket(*address[:3])
        self._made.add(made)
        return made

    async def close(self) -> None:
        """Wait until all are closed, at most CLOSE_SECONDS."""
        deadline = time.monotonic() + CLOSE_SECONDS
        while any(one.fileno() >= 0 for one in self._made) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # nobody tells when one is closed


def _error_of(status: int, data: bytes, retry_after: str | None) -> ApiError:
    try:
        status_object = orjson.loads(data)
    except orjson.JSONDecodeError:
        status_object = None
    if not isinstance(status_object, dict):
        status_object = {"message": data[:200].decode(errors="replace")}
    seconds = float(retry_after) if retry_after and retry_after.isdigit() else 0.0
    return error_from({**status_object, "code": status}, seconds)


def _text_of(error: BaseException) -> str:
    return str(error) or type(error).__name__
