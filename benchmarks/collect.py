"""How fast metrics are read: lines of text and event files on one core, without a database; and how
soon a printed line is a row in Postgres, under `trialstream run`; and how long a program's call of
`report` takes.

Rates are per second of processor time, so that other work on the machine changes them little. The
file is read by `Tail`, as every collector reads it.
"""

import asyncio
import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from uuid import uuid4

import psutil

from benchmarks.command import document
from benchmarks.database import store
from benchmarks.outcome import CannotMeasureError, Outcome, say
from collectors.command import command_line
from collectors.parsers import parser_for
from collectors.parsers.event_records import masked_checksum
from collectors.sources import Source
from collectors.sources.event_folder import EventFolder
from collectors.sources.tail import Tail
from events.clock import now
from events.ids import AttemptKey, ExperimentId, Shard, TrialNumber
from events.spec.collector import REPORT_FILE, MetricsCollectorSpec, Preset
from trialstream_report import report

LINES, QUICK_LINES = 1_000_000, 100_000
SCALARS, QUICK_SCALARS = 1_000_000, 30_000
LARGE, QUICK_LARGE = 5 * 2**30, 64 * 2**20
"""Bytes of the log over which the memory is looked at."""
PRINTED, QUICK_PRINTED = 300, 60
"""Lines whose way into Postgres is timed."""
CALLS, QUICK_CALLS = 100_000, 5_000
PAUSE_SECONDS = 0.1
KATIB = MetricsCollectorSpec()
AUTO = KATIB.with_preset(Preset.AUTO)
_PRINT = """\
import time
for _ in range({lines}):
    time.sleep({pause})
    print(f"loss={{time.time()!r}}", flush=True)
"""
_TELL = """
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('stored', NEW.value::text); RETURN NULL; END $$;
CREATE TRIGGER tell AFTER INSERT ON measurement FOR EACH ROW EXECUTE FUNCTION tell();
"""


def measure(home: Path, *, quick: bool) -> Outcome:
    lines = QUICK_LINES if quick else LINES
    figures = _rates(home, lines)
    figures["event_points_per_second"] = _events(home, QUICK_SCALARS if quick else SCALARS)
    figures["memory_growth"] = _growth(home, QUICK_LARGE if quick else LARGE)
    figures["collector_rss_mb"] = _collector(home)
    figures |= _calls(home, QUICK_CALLS if quick else CALLS)
    latency, postgres = asyncio.run(_latency(home, QUICK_PRINTED if quick else PRINTED))
    return Outcome({**figures, "tail_p50_ms": latency}, postgres)


def _rates(home: Path, lines: int) -> dict[str, float]:
    sparse, dense = home / "sparse.log", home / "dense.log"
    sparse.write_text("".join(_line(number, every=10) for number in range(lines)))
    dense.write_text("".join(_line(number, every=1) for number in range(lines)))
    rates = {}
    for name, path, spec, expected in (
        ("lines_per_second", sparse, KATIB, lines // 10),
        ("matching_per_second", dense, KATIB, lines),
        ("auto_per_second", dense, AUTO, lines),
    ):
        rates[name] = lines / _drained(_tail(path, spec), expected)
        say(f"{name} {rates[name]:,.0f}")
    return rates


def _line(number: int, *, every: int) -> str:
    if number % every:
        return f"[INFO] loaded batch {number} of shard 7 in 0.0{number % 10} seconds, 512 images\n"
    return f"epoch {number // 100} step {number}: loss={1 / (number + 1):.6f} lr=0.001\n"


def _tail(path: Path, spec: MetricsCollectorSpec) -> Tail:
    return Tail(path, parser_for(spec, ["loss"]), now)


def _drained(source: Source, expected: int) -> float:
    """Seconds of processor time to read everything."""
    began, found = time.process_time(), 0
    while points := source.finish():
        found += len(points)
    if found != expected:
        raise CannotMeasureError(f"{found:,} points were found where {expected:,} are")
    return time.process_time() - began


def _events(home: Path, scalars: int) -> float:
    folder = home / "events"
    folder.mkdir()
    with (folder / "events.out.tfevents.1").open("wb") as file:
        for number in range(scalars):
            file.write(_record(number))
    return scalars / _drained(EventFolder(folder, ["loss"], now), scalars)


def _record(number: int) -> bytes:
    """A scalar as TensorFlow 1, PyTorch and tensorboardX write it."""
    value = b"\x0a\x04loss\x15" + struct.pack("<f", 1 / (number + 1))
    summary = b"\x0a" + bytes([len(value)]) + value
    step = bytes([number & 127 | 128, number >> 7 & 127 | 128, number >> 14])
    event = b"\x09" + struct.pack("<d", 1.7e9 + number) + b"\x10" + step
    event += b"\x2a" + bytes([len(summary)]) + summary
    length = struct.pack("<Q", len(event))
    checksums = (struct.pack("<I", masked_checksum(part)) for part in (length, event))
    return length + next(checksums) + event + next(checksums)


def _growth(home: Path, size: int) -> float:
    """Memory of a process that has read the whole log / after a third of it."""
    path = home / "large.log"
    block = "".join(_line(number, every=10) for number in range(100_000)).encode()
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(block)
    tail, process, rises = _tail(path, KATIB), psutil.Process(), list[int]()
    while tail.finish():
        rises.append(process.memory_info().rss)
    path.unlink()
    return rises[-1] / rises[len(rises) // 3]


def _collector(home: Path) -> float:
    """Resident MB of a collector that has read a log, and cannot deliver it."""
    file = home / "sparse.log"
    key = AttemptKey(ExperimentId(uuid4()), TrialNumber(1), 1)
    command = command_line(key, Shard(0), AUTO, ["loss"], file, home / "spool")
    environment = {**os.environ, "TRIALSTREAM_KAFKA": "127.0.0.1:1"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        seen = psutil.Process(process.pid)
        try:
            cpu = -1.0
            while (spent := sum(seen.cpu_times()[:2])) - cpu > 0.05:  # until it has read all
                cpu = spent
                time.sleep(1)
            return seen.memory_info().rss / 1e6
        finally:
            process.kill()


def _calls(home: Path, calls: int) -> dict[str, float]:
    """How long a call of `report` takes, of two metrics; each is a line of a file."""
    os.environ[REPORT_FILE] = str(home / "reports.jsonl")
    took = []
    for number in range(calls):
        began = time.perf_counter()
        report(step=number, loss=1 / (number + 1), accuracy=0.1 * number)
        took.append(time.perf_counter() - began)
    took.sort()
    return {"report_us": median(took) * 1e6, "report_p999_ms": took[calls * 999 // 1000] * 1e3}


async def _latency(home: Path, lines: int) -> tuple[float, str]:
    """Milliseconds from a line's printing to its row, median; the version of Postgres."""
    took: list[float] = []

    def stored(*notification: object) -> None:
        took.append(time.time() - float(str(notification[-1])))

    program, file, data = home / "train.py", home / "experiment.yaml", home / "data"
    program.write_text(_PRINT.format(lines=lines, pause=PAUSE_SECONDS))
    words = [sys.executable, str(program), "${trialParameters.x}"]
    file.write_text(document(1, 1, words))
    async with store(data) as opened:
        await opened.database.execute(_TELL)
        async with opened.database.connection() as connection:
            await connection.add_listener("stored", stored)
            code = await _run(file, data)
            await connection.remove_listener("stored", stored)
        postgres = await opened.version()
    if code or len(took) < lines * 0.9:
        raise CannotMeasureError(f"{len(took)} of {lines} lines were seen; exit code {code}")
    return median(took[len(took) // 10 :]) * 1000, postgres


async def _run(file: Path, data: Path) -> int:
    program = "from controller.cli import main; main()"
    words = (sys.executable, "-c", program, "run", str(file), "--data", str(data))
    process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.DEVNULL)
    return await process.wait()
