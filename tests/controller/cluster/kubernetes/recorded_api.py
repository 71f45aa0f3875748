"""An API server of few objects, in this process: what it is asked, it answers from a table."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.controller.cluster.kubernetes.proxy import SILENCE, Proxy, leading_to, proxied

Answer = Callable[[], bytes | None]


def said(body: Any, status: str = "200 OK") -> bytes:
    """An answer of HTTP: bytes as they are, anything else as JSON."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


def listed(kind: str, version: str, *items: Any) -> bytes:
    """A list of objects; those that are bytes are JSON already."""
    inner = b",".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in items)
    head = f'{{"apiVersion":"{version}","kind":"{kind}List","metadata":{{"resourceVersion":"7"}}'
    return said(head.encode() + b',"items":[' + inner + b"]}")


FORBIDDEN = said(
    {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "cannot list resource"},
    "403 Forbidden",
)


@asynccontextmanager
async def recorded_api(
    answers: dict[str, bytes], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Proxy]:
    """Serve `answers`, by method and path; watches are silent, all else is not found."""

    serving: set[asyncio.Task[None] | None] = set()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        try:
            await reader.read(-1)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def judge(method: str, path: str) -> bytes:
        if "watch=true" in path:
            return SILENCE
        missing = said({"kind": "Status", "code": 404, "message": "no such path"}, "404 Not Found")
        return answers.get(f"{method} {path.partition('?')[0]}", missing)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with proxied(server.sockets[0].getsockname()[1]) as proxy:
        proxy.judge = judge
        with leading_to(proxy, folder, monkeypatch):
            yield proxy
    server.close()
    if tasks := [one for one in serving if one]:
        await asyncio.wait(tasks, timeout=5)
