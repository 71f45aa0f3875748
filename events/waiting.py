"""Waiting for an event, but not for ever."""

import asyncio


async def wait(event: asyncio.Event, seconds: float | None) -> bool:
    """Has the event been set? Return as soon as it is, at the latest after so many seconds; None =
    no limit."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
