"""How long shards stand still when a controller is killed, is frozen, leaves, or comes.

Each shard has an experiment whose simulated trials last 0.25 s, one at a time, so that facts are
recorded all the time. A pause is the time between two events of one experiment, as a subscriber
here receives them, after something was done; a trial that just runs is part of it. The figures are
the longest pauses of all shards.
"""

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.controllers import PATIENCE_SECONDS, Controller, Site, one_per_shard, site
from benchmarks.outcome import Outcome, say
from events import topics
from events.bus.kafka import KafkaReader, open_reader

KILLS, OTHERS = 20, 5
CONTROLLERS = 3
ENOUGH = 10**6
"""Trials: no experiment ends."""
QUIET_SECONDS = 5
_EVEN = """
NOT EXISTS (SELECT FROM shard WHERE owner IS NULL)
AND (SELECT count(*) FROM (SELECT FROM shard GROUP BY owner HAVING count(*) = $1) s) = $2
"""


class Listener:
    """Hears the events of all experiments, and knows the longest pause of any since `begin`."""

    def __init__(self) -> None:
        self._heard: dict[bytes, float] = {}
        self.longest = 0.0

    def begin(self) -> None:
        self.longest = 0.0

    async def listen(self, reader: KafkaReader) -> None:
        while True:
            for delivery in await reader.fetch(2_000, 1.0):
                moment, key = time.monotonic(), delivery.record.key
                self.longest = max(self.longest, moment - self._heard.get(key, moment))
                self._heard[key] = moment

    async def all_go_on(self, count: int) -> None:
        """Wait until each of `count` experiments has been heard of again."""
        moment = time.monotonic()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sum(heard > moment for heard in self._heard.values()) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


def measure(home: Path, *, quick: bool) -> Outcome:
    return asyncio.run(_measure(home, 1 if quick else KILLS, 1 if quick else OTHERS))


async def _measure(home: Path, kills: int, others: int) -> Outcome:
    ways: list[tuple[str, int, Callable[[Controller], None]]] = [
        ("killed", kills, lambda one: one.process.kill()),
        ("frozen", others, lambda one: one.process.send_signal(signal.SIGSTOP)),
        ("left", others, lambda one: one.process.terminate()),
    ]
    async with (
        site(home) as opened,
        open_reader(opened.settings, topics.EVENTS) as reader,
        background(Listener(), reader) as listener,
    ):
        for _ in range(CONTROLLERS - 1):
            opened.open_simulation("short")
        for name in one_per_shard(opened.bus.partitions):
            await opened.submit(name, trials=ENOUGH, parallel=1, algorithm="random")
        await _settled(opened, listener, CONTROLLERS - 1)
        usual = await _usual(listener)
        worst = {"joined": 0.0}
        for way, count, act in ways:
            for _ in range(count):
                joined, left = await _come_and_go(opened, listener, act)
                worst |= {
                    "joined": max(worst["joined"], joined),
                    way: max(worst.get(way, 0.0), left),
                }
                say(f"joined: {joined:.2f} s, {way}: {left:.2f} s")
        figures = {
            "worst_s": worst["killed"], "frozen_s": worst["frozen"], "graceful_s": worst["left"],
            "joining_s": worst["joined"], "usual_s": usual,
        }  # fmt: skip
        return Outcome(figures, await opened.store.version(), packages=("aiokafka",))


@asynccontextmanager
async def background(listener: Listener, reader: KafkaReader) -> AsyncGenerator[Listener]:
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(listener.listen(reader))
        yield listener
        listening.cancel()


async def _usual(listener: Listener) -> float:
    """The longest pause while nothing is done."""
    listener.begin()
    await asyncio.sleep(QUIET_SECONDS)
    return listener.longest


async def _come_and_go(
    opened: Site, listener: Listener, act: Callable[[Controller], None]
) -> tuple[float, float]:
    """The longest pause when one more controller comes, and when it goes in this way."""
    listener.begin()
    one = opened.open_simulation("short")
    await _settled(opened, listener, CONTROLLERS)
    joined = listener.longest
    listener.begin()
    act(one)
    await _settled(opened, listener, CONTROLLERS - 1)
    left = listener.longest
    one.process.kill()
    one.process.wait()
    return joined, left


async def _settled(opened: Site, listener: Listener, controllers: int) -> None:
    """Wait until the shards are shared evenly and all go on."""
    await opened.until(_EVEN, opened.bus.partitions // controllers, controllers)
    await listener.all_go_on(opened.bus.partitions)
