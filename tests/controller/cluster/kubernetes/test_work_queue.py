"""A key is given out once, when it is due, and never to two at a time."""

import asyncio
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.cluster.kubernetes.work_queue import WorkQueue


async def ready(queue: WorkQueue[str]) -> list[str]:
    """The keys that are given out without waiting; they stay at work."""
    found: list[str] = []
    while True:
        try:
            async with asyncio.timeout(0.01):
                found.append(await queue.get())
        except TimeoutError:
            return found


async def test_a_key_that_is_added_often_is_due_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in "abab":
        queue.add(key)
    assert await ready(queue) == ["a", "b"]


async def test_the_earliest_moment_that_was_asked_for_counts() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("soon", 60)
    queue.add("soon", 0)
    queue.add("soon", 60)
    queue.add("late", 60)
    assert await ready(queue) == ["soon"]


async def test_a_key_is_waited_for_until_it_is_due() -> None:
    queue: WorkQueue[str] = WorkQueue()
    began = time.monotonic()
    queue.add("later", 0.1)
    queue.add("first", 0.05)
    assert [await queue.get(), await queue.get()] == ["first", "later"]
    assert time.monotonic() - began >= 0.1


async def test_what_is_added_wakes_whoever_waits() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("late", 60)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        getting = tasks.create_task(queue.get(), name="get")
        await asyncio.sleep(0)
        queue.add("now")
    assert getting.result() == "now"


async def test_a_key_that_is_worked_on_comes_again_afterwards() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    assert await ready(queue) == []
    queue.done("a")
    assert await ready(queue) == ["a"]
    queue.done("a")
    assert await ready(queue) == []


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["add", "later", "work", "done"])),
        max_size=30,
    )
)
def test_nothing_that_was_asked_for_is_lost(calls: list[tuple[str, str]]) -> None:
    """Whatever the order: each key that is due and not at work is given out, and no other."""

    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue()
        due: set[str] = set()
        working: set[str] = set()
        for key, call in calls:
            if call == "add":
                queue.add(key)
                due.add(key)
            elif call == "later":
                queue.add(key, 60)
            elif call == "work" and due - working:
                given_out = await queue.get()
                assert given_out in due - working
                due.discard(given_out)
                working.add(given_out)
            elif call == "done" and key in working:
                queue.done(key)
                working.discard(key)
        assert set(await ready(queue)) == due - working

    asyncio.run(story())
