"""The one wait of the tests: ask again and again until something holds, or fail after a bound."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeVar, overload

T = TypeVar("T")

WITHIN = 60.0
"""Seconds: far more than anything takes, so that only what never comes fails, however busy the machine."""
PAUSE = 0.02
"""Seconds between two looks at something near, such as a file or a process."""


def eventually(check: Callable[[], T], what: str = "", *, within: float = WITHIN, every: float = PAUSE) -> T:
    """The first true answer of `check`, asked `every` so many seconds; AssertionError after `within` seconds."""
    deadline = time.monotonic() + within
    while not (found := check()):
        assert time.monotonic() < deadline, _late(what, within, found)
        time.sleep(every)
    return found


@overload
async def eventually_async(
    check: Callable[[], Awaitable[T]], what: str = "", *, within: float = WITHIN, every: float = PAUSE
) -> T: ...
@overload
async def eventually_async(
    check: Callable[[], T], what: str = "", *, within: float = WITHIN, every: float = PAUSE
) -> T: ...
async def eventually_async(
    check: Callable[[], object], what: str = "", *, within: float = WITHIN, every: float = PAUSE
) -> object:
    """`eventually` for a coroutine: the event loop goes on meanwhile; `check` may be a coroutine function, too."""
    deadline = time.monotonic() + within
    while not (found := await _answer(check)):
        assert time.monotonic() < deadline, _late(what, within, found)
        await asyncio.sleep(every)
    return found


async def _answer(check: Callable[[], object]) -> object:
    answer = check()
    return await answer if isawaitable(answer) else answer


def _late(what: str, within: float, found: object) -> str:
    return f"after {within:g} s it is not so: {what or 'what was waited for'} (last answer: {found!r})"
