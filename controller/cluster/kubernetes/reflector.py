"""A cache of the objects of one resource: listed, watched, and listed again whenever the watch may have missed any."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from controller.cluster.kubernetes.api import Api, ApiError, AwayError, ExpiredError, NotFoundError, error_of
from controller.cluster.kubernetes.marks import Object

PAGE = 500
WATCH_SECONDS = (240, 300)
SILENCE_SECONDS = 70.0
"""Bookmarks come every minute."""
RELIST_SECONDS = 300.0
PAUSE_SECONDS = (0.2, 30.0)
SHORT_SECONDS = 1.0
"""A watch that ends so soon has failed."""


@dataclass(frozen=True, slots=True)
class Resource:
    """`path` of a collection such as /apis/batch/v1/jobs; `selector` of labels."""

    path: str
    selector: str = ""


Changed = Callable[[Object, bool], None]
"""(object, is it gone) for each addition, change and deletion; of what is gone, what was last known."""


@dataclass(slots=True)
class Reflector:
    """`keep` makes of an object what is worth keeping. `run` until cancelled."""

    api: Api
    resource: Resource
    keep: Callable[[Object], Object]
    changed: Changed
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    """Has it been listed once?"""
    trouble: str = ""

    async def run(self) -> None:
        """List, watch, and list again after each trouble, with a growing pause, and every RELIST_SECONDS."""
        pause = PAUSE_SECONDS[0]
        while True:
            began = time.monotonic()
            retry_after = 0.0
            try:
                await self._watch(await self._list(), began + RELIST_SECONDS)
            except ApiError as error:
                self._note(error)
                retry_after = getattr(error, "retry_after", 0.0)
            pause = PAUSE_SECONDS[0] if time.monotonic() - began > PAUSE_SECONDS[1] else pause
            await asyncio.sleep(max(retry_after, pause * random.uniform(0.5, 1.0)))
            pause = min(2 * pause, PAUSE_SECONDS[1])

    def _note(self, error: ApiError) -> None:
        if isinstance(error, ExpiredError):
            return
        self.trouble = error.message
        if isinstance(error, NotFoundError):  # the resource itself is not there, and with it all of its objects
            self._replace({})

    async def _list(self) -> str:
        """Take over all objects; the version that the list is of."""
        found: dict[tuple[str, str], Object] = {}
        query = {"limit": str(PAGE), "labelSelector": self.resource.selector}
        while True:
            page = await self.api.get(self.resource.path, **query)
            kind = str(page.get("kind", "")).removesuffix("List")
            for item in page.get("items") or ():
                item = {"apiVersion": page.get("apiVersion"), "kind": kind, **item}
                found[_place(item)] = self.keep(item)
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                break
            query["continue"] = metadata["continue"]
        self.trouble = ""
        self._replace(found)
        self.synced.set()
        return str(metadata.get("resourceVersion", ""))

    def _replace(self, found: dict[tuple[str, str], Object]) -> None:
        for place in self.objects.keys() - found.keys():
            self.changed(self.objects.pop(place), True)
        for place, thing in found.items():
            self._take(place, thing)

    def _take(self, place: tuple[str, str], thing: Object) -> None:
        known = self.objects.get(place)
        if known == thing:
            return
        if known is not None and known["metadata"]["uid"] != thing["metadata"]["uid"]:
            self.changed(known, True)
        self.objects[place] = thing
        self.changed(thing, False)

    async def _watch(self, version: str, until: float) -> None:
        """Follow the changes from `version` on; return when it is time to list again."""
        while time.monotonic() < until:
            began = time.monotonic()
            version = await self._watch_once(version, until)
            if time.monotonic() - began < SHORT_SECONDS:
                raise AwayError(0, "Closed", f"the watch of {self.resource.path} was closed at once")

    async def _watch_once(self, version: str, until: float) -> str:
        lines = self.api.lines(
            self.resource.path,
            silence=SILENCE_SECONDS,
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=version,
            labelSelector=self.resource.selector,
            timeoutSeconds=str(min(random.randint(*WATCH_SECONDS), max(1, round(until - time.monotonic())))),
        )
        try:
            async for line in lines:
                version = self._heard(line)
        finally:
            await lines.aclose()
        return version

    def _heard(self, line: bytes) -> str:
        """Take over one change; the version that is known now."""
        try:
            event = orjson.loads(line)
            kind, thing = event["type"], event["object"]
            if kind == "ERROR":
                raise error_of(thing)
            version = str(thing["metadata"]["resourceVersion"])
            if kind == "BOOKMARK":
                return version
            place = _place(thing)
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise AwayError(0, "Unreadable", f"the watch of {self.resource.path} said {line[:100]!r}") from error
        if kind == "DELETED":
            self.objects.pop(place, None)
            self.changed(self.keep(thing), True)
        else:
            self._take(place, self.keep(thing))
        return version


def _place(thing: Object) -> tuple[str, str]:
    metadata = thing["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
