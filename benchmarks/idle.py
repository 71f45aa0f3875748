"""What a controller costs while nothing happens: 1,000 trials run and say nothing."""

import asyncio
from pathlib import Path

from benchmarks.controllers import site
from benchmarks.outcome import Outcome, say

EXPERIMENTS, TRIALS = 10, 100
SETTLE_SECONDS = 10
SECONDS, QUICK_SECONDS = 60, 5


def measure(home: Path, *, quick: bool) -> Outcome:
    return asyncio.run(_measure(home, QUICK_SECONDS if quick else SECONDS))


async def _measure(home: Path, seconds: int) -> Outcome:
    async with site(home) as opened:
        controller = opened.open_simulation("silent")
        for number in range(EXPERIMENTS):
            await opened.submit(f"idle-{number}", trials=TRIALS, parallel=TRIALS)
        await opened.until(
            "(SELECT count(*) FROM trial WHERE state = 'Running') = $1 AND NOT EXISTS (SELECT "
            "FROM outbox)",
            EXPERIMENTS * TRIALS,
        )
        await asyncio.sleep(SETTLE_SECONDS)
        say(f"{EXPERIMENTS * TRIALS:,} trials run; {seconds} s of silence")
        before = controller.cpu_seconds()
        await asyncio.sleep(seconds)
        share = (controller.cpu_seconds() - before) / seconds
        return Outcome(
            {"core_share": share, "memory_mib": controller.memory() / 2**20},
            await opened.store.version(),
            packages=("aiokafka",),
        )  # fmt: skip
