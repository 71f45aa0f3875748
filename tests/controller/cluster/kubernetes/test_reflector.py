"""The list-and-watch beside a real API server that is silent, forgetful or overloaded: caught up,
never hasty."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from controller.cluster.kubernetes import reflector
from controller.cluster.kubernetes.api import open_api
from controller.cluster.kubernetes.labels import Object
from controller.cluster.kubernetes.reflector import Reflector, Resource
from tests.controller.cluster.kubernetes.proxy import (
    SILENCE,
    Judge,
    Proxy,
    leading_to,
    plain_api,
    proxied,
)
from tests.eventually import eventually_async
from tests.kubernetes import kubectl

TROUBLE_SECONDS = 6.0
Scene = Callable[[Proxy, Reflector, list[tuple[str, bool]]], Awaitable[None]]


def said(status: str, body: str, *headers: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status}",
        "Connection: close",
        f"Content-Length: {len(body)}",
        *headers,
        "",
        body,
    ]
    return "\r\n".join(lines).encode()


GONE = json.dumps(
    {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
)
EXPIRED_EVENT = json.dumps({"type": "ERROR", "object": json.loads(GONE)}) + "\n"


def watches(answer: bytes) -> Judge:
    return lambda method, path: answer if "watch=true" in path else None


TROUBLES: dict[str, Judge] = {
    "gone": watches(said("410 Gone", GONE, "Content-Type: application/json")),
    "gone within": watches(said("200 OK", EXPIRED_EVENT, "Content-Type: application/json")),
    "a page of a proxy": watches(
        said("502 Bad Gateway", "<html>502</html>", "Content-Type: text/html")
    ),
    "no JSON": watches(said("200 OK", "<html>hello</html>\n")),
    "closed at once": watches(said("200 OK", "")),
    "busy": lambda method, path: said("429 Too Many Requests", "{}", "Retry-After: 2"),
    "broken": lambda method, path: said("500 Internal Server Error", "{}"),
    "silent": watches(SILENCE),
}


def config_map(room: str, name: str) -> None:
    kubectl("create", "configmap", name, "-n", room)


def play(room: str, folder: Path, monkeypatch: pytest.MonkeyPatch, scene: Scene) -> None:
    """Watch the ConfigMaps of a namespace through a proxy."""

    async def played(port: int) -> None:
        seen: list[tuple[str, bool]] = []

        def changed(thing: Object, gone: bool) -> None:
            seen.append((thing["metadata"]["name"], gone))

        async with proxied(port) as proxy:
            with leading_to(proxy, folder, monkeypatch):
                async with open_api() as api:
                    path = f"/api/v1/namespaces/{room}/configmaps"
                    watching = Reflector(api, Resource(path), lambda thing: thing, changed)
                    running = asyncio.get_running_loop().create_task(watching.run())
                    try:
                        async with asyncio.timeout(60):
                            await watching.synced.wait()
                        await scene(proxy, watching, seen)
                    finally:
                        running.cancel()

    with plain_api() as port:
        asyncio.run(played(port))


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_was_missed_in_trouble_is_seen_afterwards(
    trouble: str, room: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reflector, "WATCH_SILENCE_SECONDS", 2.0)
    monkeypatch.setattr(reflector, "WATCH_SECONDS", (2, 3))

    async def scene(proxy: Proxy, watching: Reflector, seen: list[tuple[str, bool]]) -> None:
        await asyncio.to_thread(config_map, room, "kept")
        await asyncio.to_thread(config_map, room, "deleted")
        await eventually_async(lambda: _has(seen, ("deleted", False)))
        proxy.judge, proxy.asked = TROUBLES[trouble], []
        began = time.monotonic()
        await asyncio.to_thread(kubectl, "delete", "configmap", "deleted", "-n", room)
        await asyncio.to_thread(config_map, room, "made")
        await asyncio.sleep(TROUBLE_SECONDS - (time.monotonic() - began))
        assert 1 <= len(proxy.asked) <= 20, proxy.asked
        proxy.judge = lambda method, path: None
        await eventually_async(lambda: _has(seen, ("made", False)))
        await eventually_async(lambda: _has(seen, ("deleted", True)))
        assert seen.count(("kept", False)) == 1
        assert {name for _, name in watching.objects} >= {"kept", "made"}

    play(room, tmp_path, monkeypatch, scene)


async def _has(seen: list[Any], one: Any) -> bool:
    return one in seen


def test_a_server_too_busy_to_list_again_goes_on_being_watched(
    room: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reflector, "RELIST_SECONDS", 2.0)

    async def scene(proxy: Proxy, watching: Reflector, seen: list[tuple[str, bool]]) -> None:
        proxy.judge = lambda method, path: (
            None if "watch=true" in path else said("500 Internal Server Error", "{}")
        )
        await eventually_async(lambda: _is(bool(watching.problem)))
        await asyncio.to_thread(config_map, room, "made")
        await eventually_async(lambda: _has(seen, ("made", False)))
        await asyncio.to_thread(kubectl, "delete", "configmap", "made", "-n", room)
        await eventually_async(lambda: _has(seen, ("made", True)))

    play(room, tmp_path, monkeypatch, scene)


async def _is(true: bool) -> bool:
    return true


def test_a_watch_that_lasts_is_not_listed_again(
    room: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(proxy: Proxy, watching: Reflector, seen: list[tuple[str, bool]]) -> None:
        for number in range(5):
            await asyncio.to_thread(config_map, room, f"one-{number}")
            await eventually_async(lambda number=number: _has(seen, (f"one-{number}", False)))  # type: ignore[misc]
        assert len(proxy.asked) == 2, proxy.asked

    play(room, tmp_path, monkeypatch, scene)


def test_a_long_list_comes_in_pages(
    room: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reflector, "PAGE", 3)
    listed = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"n{i}"}} for i in range(7)
    ]
    kubectl(
        "create", "-n", room, "-f", "-", said={"apiVersion": "v1", "kind": "List", "items": listed}
    )

    async def scene(proxy: Proxy, watching: Reflector, seen: list[tuple[str, bool]]) -> None:
        assert {name for _, name in watching.objects} >= {f"n{i}" for i in range(7)}
        assert sum("continue=" in path for _, path in proxy.asked) >= 2

    play(room, tmp_path, monkeypatch, scene)
