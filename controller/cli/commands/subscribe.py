"""`subscribe`: print events as they come from Kafka, in words or as CloudEvents in JSON lines."""

import asyncio
import json
import os
import re
import sys
from datetime import datetime
from typing import Annotated, get_args
from uuid import UUID

import typer

from controller.cli.commands.events import StreamOutput
from controller.cli.errors import CommandError
from controller.cli.exits import ExitCode
from controller.cli.moment import ALLOWED, read_time
from controller.cli.options import DEFAULT_NAMESPACE, Kafka, full_name, kafka_settings
from controller.views import words
from events.clock import now
from events.envelope import UnreadableRecordError, decode
from events.facts import Fact
from trialstream import BEGINNING, NOW, Event, Subscription, TokenRefusedError
from trialstream import subscribe as subscription
from trialstream.tokens import is_token

TYPES = sorted(fact.model_fields["type"].default for fact in get_args(Fact))
POSITIONS = re.compile(r"\d{1,4}=\d{1,18}(,\d{1,4}=\d{1,18})*")
STARTS = (
    f"{ALLOWED}, {BEGINNING}, {NOW}, a token, or positions such as 0=1200,7=31 (partition=position)"
)

Start = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="PLACE",
        help=f"{BEGINNING}, {NOW}, a time, a token, or positions such as 0=1200,7=31.",
    ),
]


def subscribe(
    experiment: Annotated[
        str | None,
        typer.Option("--experiment", "-e", metavar="NAME|ID", help="Only this experiment."),
    ] = None,
    trial: Annotated[
        int | None, typer.Option("--trial", min=1, help="Only this trial of the experiment.")
    ] = None,
    types: Annotated[
        list[str] | None,
        typer.Option(
            "--type", "-t", help="Only this type, such as trial.concluded; may be repeated."
        ),
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Only this namespace.")
    ] = None,
    start: Start = NOW,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            help="Kafka keeps the position under this name; the next start continues there.",
        ),
    ] = None,
    output: Annotated[
        StreamOutput, typer.Option("--output", "-o", help="Words, or CloudEvents in JSON.")
    ] = StreamOutput.TEXT,
    kafka: Kafka = None,
) -> None:
    """Print the events of experiments as they come from Kafka, one a line, until Ctrl-C."""
    try:
        events = subscription(
            kafka_settings(kafka),
            start=_start(start),
            experiment=_experiment(experiment, namespace),
            namespace=namespace,
            trial=_trial(trial, experiment),
            types=_known(types or []),
            group=group,
        )
        asyncio.run(_print_all(events, output))
    except TokenRefusedError as error:
        raise CommandError(f"--from: {error}", ExitCode.INVALID) from None


async def _print_all(events: Subscription, output: StreamOutput) -> None:
    """Until the subscription ends, or nobody reads any more."""
    async with events:
        try:
            async for event in events:
                print(_line(event, output), flush=True)
        except BrokenPipeError:  # without this, Python complains when it flushes at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _line(event: Event, output: StreamOutput) -> str:
    if output is StreamOutput.JSONL:
        return json.dumps(event.as_cloud_event(), ensure_ascii=False)
    name = f"{event.namespace}/{event.name}" if event.name else str(event.experiment)
    return (
        f"{words.clock(event.at)}  {words.clean(name)} {event.sequence}  "
        f"{words.clean(_in_words(event))}"
    )


def _in_words(event: Event) -> str:
    try:
        body = decode(event.delivery.record).body
    except UnreadableRecordError:
        body = None
    return (
        words.fact_words(body)
        if isinstance(body, Fact)
        else f"{event.type} (not known to this version)"
    )


def _experiment(text: str | None, namespace: str | None) -> str | UUID | None:
    """An id, or NAMESPACE/NAME."""
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        return "/".join(full_name(text, namespace or DEFAULT_NAMESPACE))


def _trial(number: int | None, experiment: str | None) -> int | None:
    if number is not None and experiment is None:
        raise CommandError(
            "--trial: a number names a trial of one experiment; say which with --experiment",
            ExitCode.INVALID,
        )
    return number


def _known(types: list[str]) -> list[str]:
    for text in types:
        if text not in TYPES:
            raise CommandError(
                f"--type: {text!r} is not a type of event; there are: {', '.join(TYPES)}",
                ExitCode.INVALID,
            )
    return types


def _start(text: str) -> str | dict[int, int] | datetime:
    if text.lower() in (BEGINNING, NOW):
        return text.lower()
    if is_token(text):
        return text
    if POSITIONS.fullmatch(text):
        pairs = (one.split("=") for one in text.split(","))
        return {int(partition): int(position) for partition, position in pairs}
    return read_time("--from", text, now(), STARTS)
