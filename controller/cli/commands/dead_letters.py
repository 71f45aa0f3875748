"""`dead-letters`: list, show, redrive or drop the records that were put aside."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from controller.cli.errors import CommandError
from controller.cli.exits import ExitCode
from controller.cli.options import (
    DEFAULT_DATA,
    Data,
    Kafka,
    ListFormat,
    ListOutput,
    Url,
    kafka_settings,
    open_store,
)
from controller.cli.tables import pairs, table
from controller.store.dead_letters import DeadLetters, StoredDeadLetter
from controller.views import words
from controller.views.dead_letters import (
    LETTER_TITLES,
    letter_cells,
    letter_facts,
    letter_tree,
    value_text,
)
from controller.views.summary import as_json
from events.bus import Bus
from events.bus.kafka import open_bus

MOST = 100
PAGE = 20
MOST_NAMED = 5


class DeadLettersAction(StrEnum):
    """What to do with dead letters."""

    LIST = "list"
    SHOW = "show"
    REDRIVE = "redrive"
    DROP = "drop"


Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID...", help="Ids or their beginnings, or `all`.")
]


def dead_letters(
    action: Annotated[
        DeadLettersAction, typer.Argument(help="list, show, redrive (publish again) or drop.")
    ],
    ids: Ids = None,
    output: ListFormat = ListOutput.TABLE,
    data: Data = DEFAULT_DATA,
    kafka: Kafka = None,
    database: Url = None,
) -> None:
    """Show records that could not be read or decided on, and why.

    They stay until they are redriven or dropped.
    """
    asyncio.run(_perform(action, ids or [], output, data, kafka, database))


async def _perform(
    action: DeadLettersAction,
    ids: list[str],
    output: ListOutput,
    data: Path,
    kafka: str | None,
    database: str | None,
) -> None:
    async with _open(data, database) as letters:
        if action is DeadLettersAction.LIST:
            _list(await letters.oldest(MOST), await letters.count(), output)
            return
        chosen = await _chosen(letters, ids)
        match action:
            case DeadLettersAction.SHOW:
                async for page in _pages(letters, chosen):
                    for one in page:
                        _show(one, output)
            case DeadLettersAction.REDRIVE:
                async with open_bus(kafka_settings(kafka)) as bus:
                    await redrive(letters, bus, chosen)
            case DeadLettersAction.DROP:
                await letters.drop(chosen)
                typer.echo(f"{words.count(len(chosen), 'record')} dropped")


async def redrive(letters: DeadLetters, bus: Bus, chosen: list[UUID]) -> None:
    """Publish records again, and drop their letters. Raises CommandError if some were cut."""
    count, cut = 0, list[str]()
    async for page in _pages(letters, chosen):
        whole = [one for one in page if one.cut is None]
        cut += [str(one.id)[:8] for one in page if one.cut is not None]
        await bus.publish([one.record for one in whole])
        await letters.drop([one.id for one in whole])
        count += len(whole)
    typer.echo(
        f"{words.count(count, 'record')} published again; a record that fails again comes back here"
    )
    if cut:
        raise CommandError(
            f"of {words.count(len(cut), 'record')} only the beginning was kept, so nothing is "
            f"published: {', '.join(cut[:MOST_NAMED])}; have the sender send it anew, then: "
            "trialstream dead-letters drop",
            ExitCode.INVALID,
        )


async def _pages(
    letters: DeadLetters, chosen: list[UUID]
) -> AsyncGenerator[list[StoredDeadLetter]]:
    """The letters, a few at a time: each may be large."""
    for first in range(0, len(chosen), PAGE):
        yield await letters.read(chosen[first : first + PAGE])


@asynccontextmanager
async def _open(data: Path, database: str | None) -> AsyncGenerator[DeadLetters]:
    async with open_store(data, database) as store:
        yield DeadLetters(store)


async def _chosen(letters: DeadLetters, ids: list[str]) -> list[UUID]:
    """The ids of the letters that were named.

    Raises CommandError if one is not there or not unique.
    """
    if not ids:
        raise CommandError(
            "say which: the id as `dead-letters list` shows it, or `all`", ExitCode.INVALID
        )
    chosen: dict[UUID, None] = {}
    for prefix in [""] if ids == ["all"] else ids:
        found = await letters.find(prefix.lower())
        if prefix and len(found) != 1:
            count = "no dead letter" if not found else words.count(len(found), "dead letter")
            raise CommandError(
                f"{count} with an id that begins with {prefix!r}; see: trialstream "
                "dead-letters list",
                ExitCode.NOT_FOUND,
            )
        chosen |= dict.fromkeys(found)
    return list(chosen)


def _list(kept: list[StoredDeadLetter], counts: dict[str, int], output: ListOutput) -> None:
    if output is ListOutput.JSON:
        typer.echo(as_json([letter_tree(one) for one in kept]))
        return
    table(LETTER_TITLES, map(letter_cells, kept))
    total = sum(counts.values())
    if total > len(kept):
        typer.echo(f"... and {total - len(kept):,} more")


def _show(one: StoredDeadLetter, output: ListOutput) -> None:
    if output is ListOutput.JSON:
        typer.echo(as_json(letter_tree(one)))
        return
    pairs(letter_facts(one))
    typer.echo(f"\n{value_text(one)}")
