"""A cache of the objects of one resource: listed, watched, and listed again whenever the watch may have missed any."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from controller.cluster.kubernetes.api import Api
from controller.cluster.kubernetes.api_errors import (
    ApiError,
    ApiUnavailableError,
    ExpiredError,
    NotFoundError,
    error_from,
)
from controller.cluster.kubernetes.labels import Object
from events.backoff import Backoff

PAGE = 500
WATCH_SECONDS = (240, 300)
SILENCE_SECONDS = 70.0
"""Bookmarks come every minute."""
RELIST_SECONDS = 300.0
LIST_SECONDS = 60.0
"""For one page: a busy server takes long, and after a minute it gives up itself."""
PAUSE_SECONDS = (0.2, 30.0)
UNREADABLE = "Unreadable"
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
    version: str = ""
    """Of what was seen last; empty: it has to be listed."""

    async def run(self) -> None:
        """List and watch, after each trouble again, with a growing pause; list anew if need be, and at times."""
        backoff = Backoff(*PAUSE_SECONDS)
        due = 0.0
        while True:
            began = time.monotonic()
            retry_after = 0.0
            try:
                if not self.version or began >= due:
                    due = began + RELIST_SECONDS  # a server too busy to list goes on being watched until then
                    await self._list()
                await self._watch(due)
            except ApiError as error:
                self._note(error)
                retry_after = getattr(error, "retry_after", 0.0)
            if time.monotonic() - began > PAUSE_SECONDS[1]:
                backoff.reset()
            await asyncio.sleep(max(retry_after, backoff.next()))

    def _note(self, error: ApiError) -> None:
        if not isinstance(error, ApiUnavailableError) or error.reason == UNREADABLE:
            self.version = ""
        if isinstance(error, ExpiredError):
            return
        self.trouble = error.message
        if isinstance(error, NotFoundError):  # the resource itself is not there, and with it all of its objects
            self._replace({})

    async def _list(self) -> None:
        """Take over all objects. What need not be newer than what is known comes from the server's own cache."""
        found: dict[tuple[str, str], Object] = {}
        query = {"limit": str(PAGE), "labelSelector": self.resource.selector}
        known = {"resourceVersion": self.version, "resourceVersionMatch": "NotOlderThan"} if self.version else {}
        while True:
            page = await self.api.get(self.resource.path, seconds=LIST_SECONDS, **query, **known)
            kind = str(page.get("kind", "")).removesuffix("List")
            for item in page.get("items") or ():
                item = {"apiVersion": page.get("apiVersion"), "kind": kind, **item}
                found[_place(item)] = self.keep(item)
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                break
            query["continue"], known = metadata["continue"], {}
        self.trouble = ""
        self._replace(found)
        self.synced.set()
        self.version = str(metadata.get("resourceVersion", ""))

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

    async def _watch(self, until: float) -> None:
        """Follow the changes from the version that is known; return when it is time to list again."""
        while time.monotonic() < until:
            began = time.monotonic()
            await self._watch_once(until)
            if time.monotonic() - began < SHORT_SECONDS:
                raise ApiUnavailableError(0, "Closed", f"the watch of {self.resource.path} was closed at once")

    async def _watch_once(self, until: float) -> None:
        lines = self.api.lines(
            self.resource.path,
            silence=SILENCE_SECONDS,
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=self.version,
            labelSelector=self.resource.selector,
            timeoutSeconds=str(min(random.randint(*WATCH_SECONDS), max(1, round(until - time.monotonic())))),
        )
        try:
            async for line in lines:
                self._heard(line)
        finally:
            await lines.aclose()

    def _heard(self, line: bytes) -> None:
        """Take over one change."""
        try:
            event = orjson.loads(line)
            kind, thing = event["type"], event["object"]
            if kind == "ERROR":
                raise error_from(thing)
            version = str(thing["metadata"]["resourceVersion"])
            place = _place(thing) if kind != "BOOKMARK" else ("", "")
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise ApiUnavailableError(
                0, UNREADABLE, f"the watch of {self.resource.path} said {line[:100]!r}"
            ) from error
        if kind == "DELETED":
            self.objects.pop(place, None)
            self.changed(self.keep(thing), True)
        elif kind != "BOOKMARK":
            self._take(place, self.keep(thing))
        self.version, self.trouble = version, ""


def _place(thing: Object) -> tuple[str, str]:
    metadata = thing["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
