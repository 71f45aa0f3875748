"""The wait of the tests waits, gives the answer, and ends."""

import asyncio

import pytest

from tests.eventually import eventually, eventually_async


def answers(*given: object) -> list[object]:
    return list(reversed(given))


def test_the_first_true_answer_is_given() -> None:
    left = answers(None, 0, "so", "later")
    assert eventually(left.pop) == "so"
    assert left == ["later"]


def test_what_never_comes_fails_and_says_what_it_was() -> None:
    with pytest.raises(
        AssertionError, match=r"after 0 s it is not so: the moon is blue \(last answer: None\)"
    ):
        eventually(lambda: None, "the moon is blue", within=0)


async def test_the_loop_goes_on_while_a_coroutine_waits() -> None:
    told = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, told.set)
    assert await eventually_async(told.is_set)


async def test_a_check_may_be_a_coroutine_function() -> None:
    left = answers(False, "so")

    async def check() -> object:
        await asyncio.sleep(0)
        return left.pop()

    assert await eventually_async(check) == "so"


async def test_what_never_comes_fails_in_a_coroutine_too() -> None:
    with pytest.raises(AssertionError, match="after 0 s it is not so: what was waited for"):
        await eventually_async(lambda: False, within=0)
