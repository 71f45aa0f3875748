"""Writes at a pace: in their order, what can wait behind the others but not for ever, all together
at the rate."""

import asyncio
import time

from controller.cluster.kubernetes.rate_limiter import BACKGROUND_SHARE, MOST_WRITES, RateLimiter

FAST = 2_000.0


async def test_turns_come_in_the_order_in_which_they_were_asked_for_urgent_ones_first() -> None:
    debt = -FAST / 4  # so that all have asked before the first turn comes
    limiter, came = RateLimiter(FAST, tokens=debt, filled_at=time.monotonic()), list[int]()

    async def one(number: int) -> None:
        await limiter.acquire(urgent=number >= 15)
        came.append(number)
        limiter.release()

    await asyncio.gather(*map(one, range(20)))
    assert came == [*range(15, 20), *range(15)]


async def test_what_can_wait_gets_its_share_beside_the_others_and_all_keep_the_rate() -> None:
    urgent, rate = 200, 400.0

    began = time.monotonic()
    limiter, rooms = RateLimiter(rate, filled_at=began), 0

    async def one() -> None:
        await limiter.acquire()
        limiter.release()

    others = asyncio.gather(*(one() for _ in range(urgent)))
    while not others.done():
        if limiter.try_acquire():
            rooms += 1
            limiter.release()
        await asyncio.sleep(0)
    seconds = time.monotonic() - began
    assert rooms > 0.5 * BACKGROUND_SHARE * urgent
    assert urgent + rooms <= rate * seconds + 2  # the last of them may have run into debt


async def test_what_can_wait_takes_what_is_left_over() -> None:
    limiter = RateLimiter(1.0, tokens=2.0, filled_at=time.monotonic())
    assert [limiter.try_acquire() for _ in range(3)] == [True, True, False]


async def test_a_server_that_does_not_answer_is_not_asked_ever_more() -> None:
    limiter, begun = (
        RateLimiter(FAST, tokens=FAST, background_tokens=FAST, filled_at=time.monotonic()),
        0,
    )

    async def one() -> None:
        nonlocal begun
        await limiter.acquire()
        begun += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(2 * MOST_WRITES):
            tasks.create_task(one())
        await asyncio.sleep(0.1)
        seen = begun, limiter.try_acquire()
        for _ in range(MOST_WRITES):
            limiter.release()
    assert seen == (MOST_WRITES, False)


async def test_an_overloaded_server_is_left_alone_also_by_what_can_wait() -> None:
    limiter = RateLimiter(10.0, tokens=20.0, background_tokens=2.0, filled_at=time.monotonic())
    limiter.back_off(60.0)
    assert not limiter.try_acquire()
