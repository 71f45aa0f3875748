"""The one wait of the tests: ask again and again until something holds, or fail after a bound."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeVar, overload

T = TypeVar("T")

WITHIN = 120.0
"""Seconds: far more than anything takes, so that only what never comes fails, however busy the
machine."""


def pause(began: float) -> float:
    """Seconds until the next look: a small part of the time it has taken, so that looking neither
    costs nor delays."""
    return min(0.3, max(0.01, (time.monotonic() - began) / 20))


def eventually(check: Callable[[], T], what: str = "", *, within: float = WITHIN) -> T:
    """The first true answer of `check`, asked again and again; AssertionError after `within`
    seconds."""
    began = time.monotonic()
    while not (found := check()):
        assert time.monotonic() - began < within, _late(what, within, found)
        time.sleep(pause(began))
    return found


@overload
async def eventually_async(
    check: Callable[[], Awaitable[T]], what: str = "", *, within: float = WITHIN
) -> T: ...
@overload
async def eventually_async(
    check: Callable[[], T], what: str = "", *, within: float = WITHIN
) -> T: ...
async def eventually_async(
    check: Callable[[], object], what: str = "", *, within: float = WITHIN
) -> object:
    """`eventually` for a coroutine: the event loop goes on meanwhile; `check` may be a coroutine
    function, too."""
    began = time.monotonic()
    while not (found := await _answer(check)):
        assert time.monotonic() - began < within, _late(what, within, found)
        await asyncio.sleep(pause(began))
    return found


async def _answer(check: Callable[[], object]) -> object:
    answer = check()
    return await answer if isawaitable(answer) else answer


def _late(what: str, within: float, found: object) -> str:
    return (
        f"after {within:g} s it is not so: {what or 'what was waited for'} (last answer: {found!r})"
    )
