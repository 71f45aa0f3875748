"""An API server of few experiments, in this process: their statuses are replaced, and events about
them are kept."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web

from controller.cluster.kubernetes.objects import FINALIZER
from events.spec.document import OURS
from tests.controller.cluster.kubernetes.proxy import Proxy, leading_to
from tests.experiments import experiment_tree


def held_object(name: str, uid: UUID, **fields: Any) -> dict[str, Any]:
    """An Experiment that a controller holds and whose spec it has seen."""
    tree = experiment_tree(name, namespace="default", **fields)
    metadata = {
        **tree["metadata"], "uid": str(uid), "resourceVersion": "1", "generation": 1,
        "finalizers": [FINALIZER],
    }  # fmt: skip
    return {**tree, "metadata": metadata, "status": {"observedGeneration": 1}}


class Objects:
    """The experiments by name, and the events."""

    def __init__(self, *held: dict[str, Any]) -> None:
        self.held = {one["metadata"]["name"]: one for one in held}
        self.events: list[dict[str, Any]] = []

    async def patch(self, request: web.Request) -> web.Response:
        before, asked = self.held[request.match_info["name"]], await request.json()
        metadata = before["metadata"]
        version = str(int(metadata["resourceVersion"]) + 1)
        after = {
            **before,
            "metadata": {**metadata, "resourceVersion": version},
            "status": {**before["status"], **asked["status"]},
        }
        self.held[metadata["name"]] = after
        return web.json_response(after)

    async def tell(self, request: web.Request) -> web.Response:
        self.events.append(await request.json())
        return web.json_response(self.events[-1])

    def condition(self, name: str, kind: str) -> tuple[str, str, str] | None:
        """Status, reason and message of a condition."""
        for one in self.held[name]["status"].get("conditions", ()):
            if one["type"] == kind:
                return one["status"], one["reason"], one["message"]
        return None

    def told(self) -> list[tuple[str, str, str, str]]:
        """The events but those of each experiment's life: type, reason, message and the uid of what
        they are about."""
        return [
            (one["type"], one["reason"], one["message"], one["involvedObject"]["uid"])
            for one in self.events
            if one["reason"] not in ("ExperimentCreated", "ExperimentRunning")
        ]


@asynccontextmanager
async def object_server(
    folder: Path, patch: pytest.MonkeyPatch, *held: dict[str, Any]
) -> AsyncGenerator[Objects]:
    """Serve these objects to the clients that are opened meanwhile."""
    objects, app = Objects(*held), web.Application()
    path = f"/apis/{OURS}/namespaces/default/experiments/{{name}}/status"
    app.router.add_patch(path, objects.patch)
    app.router.add_post("/api/v1/namespaces/default/events", objects.tell)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        with leading_to(Proxy(runner.addresses[0][1]), folder, patch):
            yield objects
    finally:
        await runner.cleanup()
