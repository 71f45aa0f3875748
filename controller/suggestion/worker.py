"""The program of a worker: it answers questions about searches, one by one, until its socket is
closed."""

import ctypes
import gc
import json
import pickle
import resource
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from algorithms.search.journal import Asked, Told
from algorithms.search.live import Question, Searches
from controller.suggestion.wire import framed, receive

REPORT_SECONDS = 0.1
MEMORY_SHARE = 0.5
"""A worker that uses more than this share of its memory drops searches."""
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PAGE = resource.getpagesize()


def serve(connection: socket.socket, memory: int) -> None:
    """Answer until the socket is closed. `memory`: bytes. Raises MemoryError, OSError."""
    searches, progress = Searches(), ProgressReporter(connection)
    journal: list[Asked | Told] = []
    while (frame := receive(connection)) is not None:
        message = pickle.loads(frame)
        if isinstance(message, Question):
            connection.sendall(framed(_answer(searches, message, journal, progress.step)))
            journal = []
            _free_memory(searches, memory)
        else:
            journal += message


class ProgressReporter:
    """Reports that the work goes on, at most once in REPORT_SECONDS."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reported_at = time.perf_counter()

    def step(self) -> None:
        moment = time.perf_counter()
        if moment - self._reported_at > REPORT_SECONDS:
            self._reported_at = moment
            self._connection.sendall(framed(b""))


def _answer(
    searches: Searches, question: Question, journal: list[Asked | Told], step: Callable[[], None]
) -> bytes:
    began = time.perf_counter()
    try:
        answer = searches.answer(question, journal, step)
        reply: dict[str, Any] = {}
        if answer is not None:
            reply = {"assignments": answer.assignments, "exhausted": answer.exhausted}
            reply |= {"seconds": time.perf_counter() - began, "memory": resident()}
        return json.dumps(reply).encode()
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:
        return json.dumps({"error": f"{type(error).__name__}: {error}"}).encode()


def resident() -> int:
    """The bytes that this process holds in memory; where that is unknown, the most that it ever
    held."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def _free_memory(searches: Searches, memory: int) -> None:
    """Drop the least recently asked searches while too much memory is used; the last one stays."""
    while len(searches) > 1 and resident() > memory * MEMORY_SHARE:
        for _ in range(len(searches) // 2):
            searches.forget_oldest()
        gc.collect()
        if _LIBC is not None and hasattr(_LIBC, "malloc_trim"):  # musl has none
            _LIBC.malloc_trim(0)
    if resident() > memory:  # where the system enforces no limit
        raise MemoryError
