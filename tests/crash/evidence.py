"""What Postgres says of the experiments of a data folder, asked with plain SQL."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.store.embedded import embedded
from controller.store.postgres import open_database


@dataclass(frozen=True, slots=True)
class Evidence:
    """Rows of the only experiment in a data folder."""

    concluded: list[Any]
    """The trial of each conclusion."""
    points: list[Any]
    """(trial, attempt, number of points, distinct steps) of each attempt."""
    assignments: list[Any]
    outbox: int
    fact_gaps: int


def evidence(data: Path) -> Evidence:
    return asyncio.run(_ask(data))


async def _ask(data: Path) -> Evidence:
    async with embedded(data) as server, open_database(server.url) as database:
        concluded = await database.fetch(
            "SELECT trial FROM fact WHERE type = 'trial.concluded' ORDER BY seq"
        )
        points = await database.fetch(
            "SELECT trial, attempt, count(*), count(DISTINCT step) FROM measurement GROUP BY "
            "1, 2 ORDER BY 1, 2"
        )
        assignments = await database.fetch("SELECT assignment FROM trial ORDER BY number")
        outbox = await database.row("SELECT count(*) AS n FROM outbox")
        gaps = await database.row("SELECT max(seq) - count(*) AS n FROM fact")
        assert outbox is not None
        assert gaps is not None
        return Evidence(
            [tuple(row) for row in concluded],
            [tuple(row) for row in points],
            [row["assignment"] for row in assignments],
            outbox["n"],
            gaps["n"],
        )
