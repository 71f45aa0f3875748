"""A data folder with a few experiments, and the command line that uses it."""

from pathlib import Path

from typer.testing import CliRunner, Result

from controller.cli import app
from events.facts import Cause
from tests.controller.histories import (
    SEVERAL,
    Author,
    admitted,
    digits,
    finish,
    opened,
    text,
    trade,
)

EVIL = "</script><img src=x onerror=alert(1)>"
EVIL_SPACE = [
    {"name": "<b>lr</b>", "parameterType": "double", "feasibleSpace": {"min": 0.0, "max": 1.0}},
    {
        "name": "kind",
        "parameterType": "categorical",
        "feasibleSpace": {"list": [EVIL, "x\u2028\x1b[31my&amp;"]},
    },
]

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\u2066\u200f\x7f"
"""A window's title, an empty screen, a colour by C1, and text that runs backwards."""
FORMULAS = ["=1+1", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "-0.5", HOSTILE]
HOSTILE_SPACE = [
    {"name": "=lr", "parameterType": "double", "feasibleSpace": {"min": -1.0, "max": 1.0}},
    {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": FORMULAS}},
]

OUTCOMES = [
    (3.0, 9.0, 5.0),
    (1.0, 2.0, 0.0),
    (0.5, 99.0, 7.5),
    (2.0, 1.0, 0.0),
    (2.0, 5.0, 1.0),
    (3.0, 9.0, 0.0),
]
"""Loss, size and latency of the trials of `trade`: 1, 2 and 5 are the front, 3 is infeasible."""


class Place:
    """A data folder with a running server, and the command line that uses it."""

    def __init__(self, data: Path, url: str) -> None:
        self.data, self.url = data, url
        self.authors: dict[str, Author] = {}

    def run(self, *words: str, code: int = 0) -> Result:
        """`trialstream WORDS`, which must exit with `code`."""
        result = CliRunner().invoke(app, [*words, "--data", str(self.data)], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    def log(self, name: str, trial: int, attempt: int) -> Path:
        return (
            self.data
            / "experiments"
            / str(self.authors[name].id)
            / str(trial)
            / str(attempt)
            / "log"
        )

    async def fill(self) -> None:
        async with opened(self.url) as (database, leases):
            self.authors["digits"] = await digits(database, leases)
            self.authors["quiet"] = await admitted(
                database, leases, text("quiet", namespace="team")
            )
            self.authors["done"] = await admitted(database, leases, text("done", trials=12))
            await finish(self.authors["done"], 12, steps=3)
            self.authors["evil"] = await admitted(
                database, leases, text("evil", trials=12, parameters=EVIL_SPACE)
            )
            await self._evil(self.authors["evil"])
            self.authors["hostile"] = await admitted(
                database, leases, text("hostile", namespace="odd", parameters=HOSTILE_SPACE)
            )
            await self._hostile(self.authors["hostile"])
            self.authors["trade"] = await admitted(
                database, leases, text("trade", parallel=1, **SEVERAL)
            )
            await trade(self.authors["trade"], OUTCOMES)

    async def _evil(self, author: Author) -> None:
        kinds = (EVIL, "x\u2028\x1b[31my&amp;")
        for number in range(1, 13):
            await author.suggest({"<b>lr</b>": number / 20, "kind": kinds[number % 2]})
            await author.start(number)
            await author.report(number, [1.0 / number, 1.5 / number])
            await author.end(number, exit_code=0)

    async def _hostile(self, author: Author) -> None:
        for number, kind in enumerate(FORMULAS, 1):
            await author.suggest({"=lr": -number / 20, "kind": kind})
            await author.start(number)
            await author.report(number, [-float(number)])
            await author.end(number)
        await author.suggest({"=lr": 0.5, "kind": HOSTILE})
        await author.start(8)
        await author.end(8, cause=Cause.ERROR, exit_code=1, message=f"={HOSTILE}")
