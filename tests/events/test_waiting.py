"""A wait ends with the event or with the time, whichever comes first."""

import asyncio
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from events.waiting import wait


async def test_an_event_that_is_set_is_not_waited_for() -> None:
    event = asyncio.Event()
    event.set()
    assert await wait(event, 60)


async def test_an_event_that_is_set_meanwhile_ends_the_wait() -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)
    assert await wait(event, None)


@settings(max_examples=10, deadline=None)
@given(st.floats(0, 0.02))
def test_an_event_that_does_not_come_is_waited_for_as_long_as_was_said(seconds: float) -> None:
    async def waited() -> float:
        began = time.monotonic()
        assert not await wait(asyncio.Event(), seconds)
        return time.monotonic() - began

    assert asyncio.run(waited()) >= seconds * 0.99


async def test_whoever_is_cancelled_waits_no_longer() -> None:
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(wait(asyncio.Event(), None), name="waiting")
        await asyncio.sleep(0)
        waiting.cancel()
    assert waiting.cancelled()
