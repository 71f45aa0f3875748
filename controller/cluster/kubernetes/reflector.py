"""A cache of one resource's objects: listed, then watched, and listed again when the watch may have
missed some."""

import asyncio
import logging
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
from controller.cluster.kubernetes.object_faults import isolating
from controller.cluster.kubernetes.reading import parse_json
from events.backoff import Backoff

PAGE = 500
WATCH_SECONDS = (240, 300)
WATCH_SILENCE_SECONDS = 70.0
"""Longer than the minute between two bookmarks."""
RELIST_SECONDS = 300.0
LIST_SECONDS = 60.0
"""For one page; after a minute the server itself gives up."""
WATCH_RETRY_SECONDS = (0.2, 30.0)
UNREADABLE = "Unreadable"
SHORT_SECONDS = 1.0
"""A watch that ends sooner has failed."""
TROUBLE_SECONDS = 10.0
"""A problem that lasts longer is a trouble: a watch that is interrupted goes on sooner."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Resource:
    """`path` of a collection such as /apis/batch/v1/jobs; `selector` of labels."""

    path: str
    selector: str = ""


Changed = Callable[[Object, bool], None]
"""(object, is it gone) for each addition, change and deletion; of what is gone, the last known
object."""


@dataclass(slots=True)
class Reflector:
    """`keep` reduces an object to what is kept of it. `run` it until cancelled."""

    api: Api
    resource: Resource
    keep: Callable[[Object], Object]
    changed: Changed
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    """Has it been listed once?"""
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    """Has it been listed once, or could it not be?"""
    problem: str = ""
    well_at: float = field(default_factory=time.monotonic)
    """When the server last answered as it should, by the monotonic clock."""
    version: str = ""
    """The last resourceVersion seen; empty: a list is needed."""

    @property
    def trouble(self) -> str:
        """Why changes have not been seen for TROUBLE_SECONDS; empty if they are."""
        if not self.problem or time.monotonic() - self.well_at < TROUBLE_SECONDS:
            return ""
        return f"{self.resource.path} cannot be watched: {self.problem}"

    async def run(self) -> None:
        """List and watch; after a failure again, after a growing pause. Also list every
        RELIST_SECONDS."""
        backoff = Backoff(*WATCH_RETRY_SECONDS)
        due = 0.0
        while True:
            began = time.monotonic()
            retry_after = 0.0
            try:
                if not self.version or began >= due:
                    due = (
                        began + RELIST_SECONDS
                    )  # if the list fails, the watch continues until then
                    await self._list()
                await self._watch(due)
            except ApiError as error:
                self._handle_error(error)
                retry_after = getattr(error, "retry_after", 0.0)
            except Exception as error:  # what watches the others must not end with this one
                _log.exception("%s cannot be watched now", self.resource.path)
                self.version, self.problem = "", f"{type(error).__name__}: {error}"
            self.tried.set()
            if time.monotonic() - began > WATCH_RETRY_SECONDS[1]:
                backoff.reset()
            await asyncio.sleep(max(retry_after, backoff.next()))

    def _handle_error(self, error: ApiError) -> None:
        if not isinstance(error, ApiUnavailableError) or error.reason == UNREADABLE:
            self.version = ""
        if isinstance(error, ExpiredError):
            return
        self.problem = error.message
        if isinstance(
            error, NotFoundError
        ):  # there is no such resource, so it has no objects either
            self._rename({})

    async def _list(self) -> None:
        """Rename all objects. A list that may be as old as what we have is answered from the
        server's cache."""
        found: dict[tuple[str, str], Object] = {}
        query = {"limit": str(PAGE), "labelSelector": self.resource.selector}
        known = (
            {"resourceVersion": self.version, "resourceVersionMatch": "NotOlderThan"}
            if self.version
            else {}
        )
        while True:
            page = await self.api.get(self.resource.path, seconds=LIST_SECONDS, **query, **known)
            kind = str(page.get("kind", "")).removesuffix("List")
            for item in page.get("items") or ():
                item = {"apiVersion": page.get("apiVersion"), "kind": kind, **item}
                with isolating(self.resource.path, item):
                    found[_name_of(item)] = self.keep(item)
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                break
            query["continue"], known = metadata["continue"], {}
        self._note_success()
        self._rename(found)
        self.synced.set()
        self.tried.set()
        self.version = str(metadata.get("resourceVersion", ""))

    def _note_success(self) -> None:
        self.problem, self.well_at = "", time.monotonic()

    def _rename(self, found: dict[tuple[str, str], Object]) -> None:
        for name in self.objects.keys() - found.keys():
            self._tell(self.objects.pop(name), gone=True)
        for name, obj in found.items():
            self._update(name, obj)

    def _tell(self, obj: Object, *, gone: bool) -> None:
        with isolating(self.resource.path, obj):
            self.changed(obj, gone)

    def _update(self, name: tuple[str, str], obj: Object) -> None:
        known = self.objects.get(name)
        if known == obj:
            return
        if known is not None and known["metadata"]["uid"] != obj["metadata"]["uid"]:
            self._tell(known, gone=True)
        self.objects[name] = obj
        self._tell(obj, gone=False)

    async def _watch(self, until: float) -> None:
        """Follow the changes from the known version on; return when it is time to list again."""
        while time.monotonic() < until:
            began = time.monotonic()
            await self._watch_once(until)
            if time.monotonic() - began < SHORT_SECONDS:
                raise ApiUnavailableError(
                    0, "Closed", f"the watch of {self.resource.path} was closed at once"
                )

    async def _watch_once(self, until: float) -> None:
        lines = self.api.lines(
            self.resource.path,
            silence=WATCH_SILENCE_SECONDS,
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=self.version,
            labelSelector=self.resource.selector,
            timeoutSeconds=str(
                min(random.randint(*WATCH_SECONDS), max(1, round(until - time.monotonic())))
            ),
        )
        try:
            async for line in lines:
                self._handle_line(line)
        finally:
            await lines.aclose()

    def _handle_line(self, line: bytes) -> None:
        """Apply one change."""
        try:
            event = parse_json(line)
            kind, obj = event["type"], event["object"]
            if kind == "ERROR":
                raise error_from(obj)
            version = str(obj["metadata"]["resourceVersion"])
            name = _name_of(obj) if kind != "BOOKMARK" else ("", "")
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise ApiUnavailableError(
                0, UNREADABLE, f"the watch of {self.resource.path} sent {line[:100]!r}"
            ) from error
        with isolating(self.resource.path, obj):
            if kind == "DELETED":
                self.objects.pop(name, None)
                self.changed(self.keep(obj), True)
            elif kind != "BOOKMARK":
                self._update(name, self.keep(obj))
        self.version = version
        self._note_success()


def _name_of(obj: Object) -> tuple[str, str]:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
