"""How many points a second one controller stores and judges: lines in files → collectors → Kafka →
rows in Postgres.

Each of the running trials of some experiments has a file, to which this program adds lines at an
even rate, and a collector process of its own. All of it, Kafka and Postgres included, shares the
machine. The clock runs from the first line to the last row. Each point is compared with the median
of finished trials; none is bad enough to be stopped.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.answers import REFERENCES
from benchmarks.controllers import MEDIAN_STOP, Controller, Site, site
from benchmarks.feeding import Fed, fed
from benchmarks.outcome import CannotMeasureError, Outcome, say
from events.ids import AttemptKey, ExperimentId, Shard, TrialNumber

EXPERIMENTS, TRIALS = 4, 6
RATE = 36_000
"""Lines a second, of all trials."""
MEASURES = 1, 2
"""The quick version compared the memory at the end with that after the last line, not after a third
of the lines."""
SECONDS, QUICK_SECONDS = 60, 5
LOOKS = 12
"""How often the memory is looked at while lines are added."""
TICK_SECONDS = 0.05
_LIVE = """
SELECT e.id, e.shard, t.number FROM trial t JOIN experiment e ON e.id = t.experiment
    WHERE t.state = 'Running'
"""
_ROWS = """
FROM measurement m JOIN trial t ON t.experiment = m.experiment AND t.number = m.trial
    WHERE t.state = 'Running'
"""


def measure(home: Path, *, quick: bool) -> Outcome:
    return asyncio.run(_measure(home, QUICK_SECONDS if quick else SECONDS))


async def _measure(home: Path, seconds: int) -> Outcome:
    async with site(home) as opened:
        controller = opened.open_simulation("compared")
        attempts = await _attempts(opened)
        say(f"{len(attempts)} collectors start")
        with fed(home, attempts, opened.environment) as collectors:
            await asyncio.sleep(5)  # they are in nobody's way any more
            before, memory = controller.cpu_seconds(), controller.memory()
            sent, took, rises = await _feed(opened, controller, collectors, seconds)
            cpu = controller.cpu_seconds() - before
            await asyncio.to_thread(_end, collectors)
        await _check(opened, sent)
        figures = {
            "points_per_second": sent / took,
            "points_per_cpu_second": sent / cpu,
            "latest_row_s": max(0.0, took - seconds),
            "memory_growth": rises[-1] / rises[LOOKS // 3],
            "memory_mib": rises[-1] / 2**20,
        }
        say(f"memory at the start {memory / 2**20:.0f} MiB")
        return Outcome(figures, await opened.store.version(), packages=("aiokafka",))


async def _attempts(opened: Site) -> list[tuple[AttemptKey, Shard]]:
    """The live attempts of new experiments, with finished trials before them to be compared
    with."""
    for number in range(EXPERIMENTS):
        await opened.submit(
            f"ingest-{number}", trials=REFERENCES + TRIALS, parallel=TRIALS, extra=MEDIAN_STOP
        )
    await opened.until(
        "(SELECT count(*) FROM trial WHERE state = 'Succeeded') = $1", EXPERIMENTS * REFERENCES
    )
    await opened.until(
        "(SELECT count(*) FROM trial WHERE state = 'Running') = $1", EXPERIMENTS * TRIALS
    )
    rows = await opened.database.fetch(_LIVE)
    return [
        (AttemptKey(ExperimentId(row["id"]), TrialNumber(row["number"]), 1), Shard(row["shard"]))
        for row in rows
    ]


async def _feed(
    opened: Site, controller: Controller, collectors: Sequence[Fed], seconds: int
) -> tuple[int, float, list[int]]:
    """Add lines evenly, and wait for the last row: how many, the seconds of it all, the
    controller's memory."""
    files = [one.file.open("ab", buffering=0) for one in collectors]
    lines = round(RATE * TICK_SECONDS / len(files))
    text, ticks, memory = (
        b"loss=0.5\n" * lines,
        round(seconds / TICK_SECONDS),
        [controller.memory()],
    )
    began = time.monotonic()
    for tick in range(1, ticks + 1):
        for file in files:
            file.write(text)
        await asyncio.sleep(max(0.0, began + tick * TICK_SECONDS - time.monotonic()))
        if tick % (ticks // LOOKS) == 0:
            memory.append(controller.memory())
        if tick % round(10 / TICK_SECONDS) == 0:
            say(f"{tick * lines * len(files):,} lines")
    sent = ticks * lines * len(files)
    await opened.until(f"(SELECT count(*) {_ROWS}) >= $1", sent)
    took = time.monotonic() - began
    for file in files:
        file.close()
    return sent, took, [*memory, controller.memory()]


def _end(collectors: Sequence[Fed]) -> None:
    for one in collectors:
        one.end()


async def _check(opened: Site, sent: int) -> None:
    """Each line is one row, with its value."""
    (row,) = await opened.database.fetch(f"SELECT count(*), sum(m.value) {_ROWS}")
    count, total = row
    if count != sent or total != 0.5 * sent:
        raise CannotMeasureError(f"{sent:,} lines, but {count:,.0f} rows with the sum {total:,.1f}")
