"""A worker as the pool sees it: the searches that it has, and how a question gets to it."""

import asyncio
import json
import pickle
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from algorithms.search import imports
from algorithms.search.journal import Asked, Told
from algorithms.search.live import Question
from controller.settings import SuggestionSettings
from controller.suggestion.exits import WorkerEndedError, explain_exit
from controller.suggestion.processes import Process
from controller.suggestion.wire import framed
from events.spec.experiment import ExperimentSpec

ENTRIES_PER_FRAME = 1_000
"""Entries of a journal in one frame; the event loop runs other tasks between frames."""


@dataclass(slots=True, eq=False)
class WorkerClient:
    """One worker; one question at a time."""

    process: Process
    settings: SuggestionSettings
    searches: set[str] = field(default_factory=set)
    forgotten: list[str] = field(default_factory=list)
    """Searches that it has, and that it may drop with its next question."""
    busy: bool = False
    idle_since: float = field(default_factory=time.monotonic)
    memory: int = 0
    """Bytes, by its last answer."""

    def can_search(self, spec: ExperimentSpec) -> bool:
        """Has it imported what the search needs?"""
        return imports(spec) <= self.process.modules

    async def ask(self, question: Question, journal: Iterable[Asked | Told] = ()) -> dict[str, Any]:
        """The reply; empty if it does not have the search. Raises WorkerEndedError."""
        entries = iter(journal)
        forget, self.forgotten = tuple(self.forgotten), []
        limit = self.settings.timeout_seconds
        try:
            while part := list(islice(entries, ENTRIES_PER_FRAME)):
                await self._write(part)
            await self._write(replace(question, forget=forget))
            payload = b""
            while not payload:
                async with asyncio.timeout(limit):
                    payload = await self.process.read()
            reply: dict[str, Any] = json.loads(payload)
        except TimeoutError:
            raise WorkerEndedError("slow", f"it took more than {limit:g} s") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise await explain_exit(self.process, self.settings.memory_mib) from None
        except ValueError as error:
            raise WorkerEndedError("nonsense", f"its process answered nonsense ({error})") from None
        self.memory = reply.get("memory", self.memory)
        return reply

    async def _write(self, message: object) -> None:
        writer = self.process.writer
        writer.write(framed(pickle.dumps(message, pickle.HIGHEST_PROTOCOL)))
        async with asyncio.timeout(self.settings.timeout_seconds):
            await writer.drain()
