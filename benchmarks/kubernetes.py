"""What a Kubernetes shows to a benchmark: pods that run, objects that are there, what was asked of
the API server."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from benchmarks.outcome import CannotMeasureError
from controller.cluster.kubernetes.api import Api
from controller.cluster.kubernetes.api_errors import (
    ApiUnavailableError,
    ConflictError,
    NotFoundError,
)
from controller.cluster.kubernetes.labels import Object
from controller.cluster.kubernetes.reflector import Reflector, Resource

CRDS = Path(__file__).parents[1] / "deploy" / "crds"
PATIENCE_SECONDS = 900.0
LOOK_SECONDS = 0.5
SILENCE_SECONDS = 60.0
_REQUESTS = re.compile(r"^apiserver_request_total\{(?P<labels>.*)\} (?P<count>\S+)$")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


async def install(api: Api) -> None:
    """Our kinds, as they are here."""
    for file in sorted(CRDS.glob("*.io.yaml")) + sorted(CRDS.glob("*.org.yaml")):
        tree = yaml.safe_load(file.read_text())
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        await api.patch(f"{path}/{tree['metadata']['name']}", tree, apply=True)


@asynccontextmanager
async def namespace(api: Api) -> AsyncGenerator[str]:
    """One of the benchmark's own, whose objects are gone afterwards."""
    name = f"bench-{uuid4().hex[:8]}"
    await api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    account = f"/api/v1/namespaces/{name}/serviceaccounts"

    async def ready() -> bool:
        return bool((await api.get(account))["items"])

    await until(ready)
    try:
        yield name
    finally:
        await _gone(api, f"/api/v1/namespaces/{name}")


async def _gone(api: Api, path: str) -> None:
    async def gone() -> bool:
        try:
            await api.get(path)
        except NotFoundError:
            return True
        return False

    with suppress(ApiUnavailableError):
        await api.delete(path, propagation="Background")
    await until(gone)


async def until(true: Callable[[], Awaitable[bool]], within: float = PATIENCE_SECONDS) -> None:
    """Ask again and again; CannotMeasureError after so many seconds."""
    try:
        async with asyncio.timeout(within):
            while True:
                with suppress(ApiUnavailableError):  # it is busy
                    if await true():
                        return
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        raise CannotMeasureError(
            f"it did not come within {within:.0f} s: {true.__name__}"
        ) from None


async def create(api: Api, collection: str, body: Mapping[str, Any]) -> None:
    """Until the API server has it, should it be too busy at first."""

    async def created() -> bool:
        with suppress(ConflictError):  # an answer was lost
            await api.create(collection, body)
        return True

    await until(created)


async def count(api: Api, collection: str) -> int:
    """How many objects there are, without reading them."""
    page = await api.get(collection, limit="1")
    return len(page["items"]) + int(page["metadata"].get("remainingItemCount") or 0)


@dataclass(slots=True)
class Pods:
    """Which pods of a namespace run now."""

    running: set[str] = field(default_factory=set)
    most: int = 0

    def changed(self, pod: Object, gone: bool) -> None:
        name = pod["metadata"]["name"]
        (self.running.add if pod["phase"] == "Running" and not gone else self.running.discard)(name)
        self.most = max(self.most, len(self.running))

    async def reach(self, wanted: int) -> None:
        """Wait until so many run at the same moment, in vain after PATIENCE_SECONDS."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while self.most < wanted and (self.running or not self.most):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)


@asynccontextmanager
async def pods(api: Api, place: str) -> AsyncGenerator[Pods]:
    """A look at the pods of a namespace, by the same list and watch that the controller has."""
    found = Pods()
    reflector = Reflector(api, Resource(f"/api/v1/namespaces/{place}/pods"), _phase, found.changed)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(reflector.run())
        yield found
        watching.cancel()


def _phase(pod: Object) -> dict[str, Any]:
    metadata = {name: pod["metadata"][name] for name in ("namespace", "name", "uid")}
    return {"metadata": metadata, "phase": (pod.get("status") or {}).get("phase")}


async def requests(api: Api) -> Mapping[tuple[str, str], int]:
    """What the API server counted until now, by verb and resource, such as (POST, jobs) or (PATCH,
    trials)."""
    found: dict[tuple[str, str], int] = {}
    async for line in api.lines("/metrics", silence=SILENCE_SECONDS):
        if seen := _REQUESTS.match(line.decode()):
            labels = dict(_LABEL.findall(seen["labels"]))
            key = labels["verb"], labels["resource"]
            found[key] = found.get(key, 0) + int(float(seen["count"]))
    return found
