"""`trialstream collect`: the program that runs beside a trial and delivers what it reports to
Kafka."""

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from collectors.limits import ANSWER_SECONDS, MAX_LINE, PAGE_BYTES, SPOOL_BYTES, Limits
from collectors.ship.collect import LINGER_SECONDS, PATIENCE_SECONDS, Collector
from collectors.ship.spool import Spool
from collectors.sources.registry import source_for
from events import topics
from events.bus import BusRefusedError, BusUnavailableError
from events.bus.kafka import KafkaSettings, open_publisher
from events.clock import now
from events.ids import AttemptKey, ExperimentId, Shard, TrialNumber
from events.program import command
from events.spec.collector import MetricsCollectorSpec
from trialstream.settings import SettingsError


def command_line(
    key: AttemptKey,
    shard: Shard,
    spec: MetricsCollectorSpec,
    metrics: Sequence[str],
    file: Path,
    spool: Path,
    limits: Sequence[str] = (),
    below: Path | None = None,
) -> list[str]:
    """The command that collects for one attempt on this machine; its environment must name the
    Kafka. `limits`: as `limits.Limits` writes them; `below`: as of `source_for`."""
    return command(
        "collectors",
        "--experiment", str(key.experiment), "--trial", str(key.trial), "--attempt",
        str(key.attempt),
        "--shard", str(shard), "--spec", spec.model_dump_json(by_alias=True, exclude_defaults=True),
        *(word for metric in metrics for word in ("--metric", metric)),
        "--file", str(file), *(("--below", str(below)) if below else ()), "--spool", str(spool),
        "--until", "stdin", *limits,
    )  # fmt: skip


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    options = argparse.ArgumentParser(
        "trialstream collect",
        description=__doc__,
        epilog="With --dry-run -f EXPERIMENT FILE nothing is delivered: it shows what the lines of "
        "a log would become.",
    )
    options.add_argument("--experiment", type=UUID, required=True, help="the experiment's id")
    options.add_argument("--trial", type=int, required=True, help="the trial's number")
    options.add_argument(
        "--attempt", type=int, default=1, help="the attempt's number (default: %(default)s)"
    )
    options.add_argument("--shard", type=int, required=True, help="the experiment's shard")
    options.add_argument(
        "--spec", default="{}", help="metricsCollectorSpec as JSON (default: StdOut, text)"
    )
    options.add_argument(
        "--metric", action="append", required=True, help="a metric to look for; may be repeated"
    )
    options.add_argument(
        "--file", type=Path, required=True, help="the file or folder that the trial writes"
    )
    options.add_argument(
        "--below", type=Path,
        help="the folder out of which no link may lead (default: that of the file, or the folder)",
    )  # fmt: skip
    options.add_argument(
        "--spool", type=Path, required=True, help="folder for what is not delivered yet"
    )
    _add_limits(options)
    options.add_argument(
        "--patience", type=float, default=PATIENCE_SECONDS,
        help="seconds after the trial's end in which Kafka may come back (default: %(default)s)",
    )  # fmt: skip
    options.add_argument(
        "--linger", type=float, default=LINGER_SECONDS,
        help="seconds between two deliveries while lines come all the time (default: %(default)s)",
    )  # fmt: skip
    options.add_argument(
        "--until", choices=("stdin", "sigterm"), default="sigterm",
        help="what tells that the trial has ended: the end of standard input, or SIGTERM (default: "
            "%(default)s)",
    )  # fmt: skip
    return options.parse_args(arguments)


def _add_limits(options: argparse.ArgumentParser) -> None:
    """How much of what a trial writes is taken; `limits.Limits` writes them."""
    options.add_argument(
        "--spool-bytes", type=int, default=SPOOL_BYTES, help="its bound (default: %(default)s)"
    )
    options.add_argument(
        "--line-bytes", type=int, default=MAX_LINE,
        help="bytes of a line that are read (default: %(default)s)",
    )  # fmt: skip
    options.add_argument(
        "--points-per-second", type=int,
        help="points that are taken, over a minute; further ones are thinned (default: all)",
    )  # fmt: skip
    options.add_argument(
        "--page-bytes", type=int, default=PAGE_BYTES,
        help="bytes that a page for Prometheus may have (default: %(default)s)",
    )  # fmt: skip
    options.add_argument(
        "--answer-seconds", type=float, default=ANSWER_SECONDS,
        help="seconds by which such a page has to be there (default: %(default)s)",
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Collect until the trial has ended and all is delivered. Exit codes: 0 done, 1 given up, 2 bad
    options."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if "--dry-run" in arguments:
        from collectors.dry_run import dry_run  # collectors in pods stay small

        return dry_run(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    options = _options(arguments)
    try:
        settings = KafkaSettings.from_environment()
        if settings is None:
            raise SettingsError(
                "TRIALSTREAM_KAFKA is not set: it names the Kafka to deliver to, as host:port"
            )
        spec = MetricsCollectorSpec.model_validate_json(options.spec)
    except ValueError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    code = 0
    if os.environ.get("TRIALSTREAM_REPLICA", "") not in ("", "0"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        signal.sigwait({signal.SIGTERM})  # one of several equal pods: the first alone reports
        return code
    try:
        asyncio.run(_collect(options, settings, spec))
    except* (BusUnavailableError, BusRefusedError) as group:
        print(
            f"Error: gave up, what is not delivered stays in {options.spool}: "
            f"{group.exceptions[0]}",
            file=sys.stderr,
        )
        code = 1
    return code


async def _collect(
    options: argparse.Namespace, settings: KafkaSettings, spec: MetricsCollectorSpec
) -> None:
    key = AttemptKey(ExperimentId(options.experiment), TrialNumber(options.trial), options.attempt)
    source = source_for(spec, options.metric, options.file, now, _limits(options), options.below)
    place = str(key.experiment).encode()
    spool = Spool(options.spool, topics.METRICS, options.shard, place, options.spool_bytes)
    collector = Collector(
        key, Shard(options.shard), source, spool, patience=options.patience, linger=options.linger
    )
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, collector.end)
    signal.pthread_sigmask(
        signal.SIG_UNBLOCK, {signal.SIGTERM}
    )  # whoever started us may have held it back until now
    if options.until == "stdin":
        listener = threading.Thread(
            target=_until_end_of_input, args=(loop, collector.end), daemon=True
        )
        listener.start()
    try:
        await collector.run(lambda: open_publisher(settings))
    finally:
        spool.close()


def _limits(options: argparse.Namespace) -> Limits:
    return Limits(
        options.line_bytes, options.spool_bytes, options.points_per_second, options.page_bytes,
        options.answer_seconds,
    )  # fmt: skip


def _until_end_of_input(loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> None:
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(end)


def collect() -> None:
    """The command `collect` of the command line, which leaves the options to `main`."""
    sys.exit(main(sys.argv[2:]))
