"""`events`: print the events of an experiment in words, or as CloudEvents in JSON lines."""

import asyncio
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.lookup import POLL_SECONDS, find_experiment, open_queries
from controller.cli.options import DEFAULT_DATA, DEFAULT_NAMESPACE, Data, Name, Namespace, Url
from controller.core.recorded import Recorded
from controller.store.queries import Queries
from controller.views import words
from controller.views.cloud_events import cloud_event
from events.facts import ExperimentConcluded, ExperimentResumed
from events.ids import ExperimentId


class StreamOutput(StrEnum):
    TEXT = "text"
    JSONL = "jsonl"


def stream(
    name: Name,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for more until the experiment ends.")
    ] = False,
    start: Annotated[
        int, typer.Option("--from", min=1, metavar="SEQ", help="Begin with this event.")
    ] = 1,
    output: Annotated[
        StreamOutput, typer.Option("--output", "-o", help="Words, or CloudEvents in JSON.")
    ] = StreamOutput.TEXT,
    namespace: Namespace = DEFAULT_NAMESPACE,
    data: Data = DEFAULT_DATA,
    database: Url = None,
) -> None:
    """Print what happened in an experiment, one event a line."""
    asyncio.run(_stream((name, namespace), follow, start, output, (data, database)))


async def _stream(
    name: tuple[str, str],
    follow: bool,
    start: int,
    output: StreamOutput,
    where: tuple[Path, str | None],
) -> None:
    async with open_queries(*where) as queries:
        experiment = (await find_experiment(queries, *name)).experiment.identity.id
        over = False
        while True:
            page = await queries.facts.page(experiment, start)
            for one in page:
                typer.echo(_line(one, output))
                over = _over(one, over)
            sys.stdout.flush()
            start = page[-1].seq + 1 if page else start
            if page:
                continue
            if not follow or over or await _was_over(queries, experiment, start):
                return
            await asyncio.sleep(POLL_SECONDS)


def _over(one: Recorded, over: bool) -> bool:
    match one.fact:
        case ExperimentConcluded():
            return True
        case ExperimentResumed():
            return False
        case _:
            return over


async def _was_over(queries: Queries, experiment: ExperimentId, start: int) -> bool:
    """Whether the experiment had ended before the first event that was asked for, so that none will
    come."""
    before = await queries.facts.page(experiment, max(1, start - 1), 1)
    return not before or isinstance(before[0].fact, ExperimentConcluded)


def _line(one: Recorded, output: StreamOutput) -> str:
    if output is StreamOutput.TEXT:
        return f"{one.seq:>6}  {words.clock(one.envelope.at)}  {words.fact_words(one.fact)}"
    return json.dumps(cloud_event(one), ensure_ascii=False, allow_nan=False)
