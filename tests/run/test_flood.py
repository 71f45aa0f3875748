"""A trial that prints millions of values: its run ends, keeps a thinned curve, and listens."""

import asyncio
import signal
from typing import Any

from controller.cli.exits import ExitCode
from controller.store.embedded import embedded
from controller.store.postgres import open_database
from tests.eventually import eventually
from tests.run.desk import Desk
from tests.tiers import LONG

LINES = 4_000_000 if LONG else 250_000
PATIENCE = 600.0
"""Seconds: of the long tier's lines, on a machine that does other things, too."""
FLOOD = f"""
import sys
for _ in range({LINES // 1000}):
    sys.stdout.write("loss=1\\n" * 1000)
"""


def _ask(desk: Desk, sql: str) -> list[Any]:
    async def ask() -> list[Any]:
        async with embedded(desk.data) as server, open_database(server.url) as database:
            return list(await database.fetch(sql))

    return asyncio.run(ask())


def test_a_flood_of_values_ends_and_is_thinned(desk: Desk) -> None:
    desk.script("train", FLOOD)
    run = desk.start("run", desk.write(trials=1), "--output", "json")
    done = desk.end(run, PATIENCE)
    assert done.code == ExitCode.OK, done.complained
    assert done.document["best"]["value"] == 1.0
    (curve,) = _ask(desk, "SELECT count, kept, stride FROM curve")
    assert curve["count"] == LINES
    (stored,) = _ask(desk, "SELECT count(*), max(step) AS last FROM measurement")
    assert 20_000 < stored["count"] <= 100_003
    assert (stored["count"], stored["last"]) == (curve["kept"], LINES)
    assert "Thinned" in desk.do("show", "desk").said
    told = desk.do("why", "desk", "1").said
    assert f"{LINES:,} values" in told
    assert f"one in {curve['stride']:,} is kept" in told


def test_ctrl_c_is_heard_in_a_flood(desk: Desk) -> None:
    desk.script("train", FLOOD + "\nimport time\ntime.sleep(3600)")
    run = desk.start("run", desk.write(trials=1))
    eventually(lambda: any(log.stat().st_size > LINES for log in desk.logs()))
    run.send_signal(signal.SIGINT)
    eventually(lambda: desk.shows(run, "stopping; the same command resumes it later"))
    assert desk.end(run, PATIENCE).code == ExitCode.INTERRUPTED
