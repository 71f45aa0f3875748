"""Whatever a trial prints or writes is read: nothing fails, nothing hangs, and it does not matter
in which pieces it comes or how often its reader is made anew."""

import re
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from collectors.limits import MAX_LINE
from collectors.parsers import parser_for
from collectors.parsers.event_records import masked_checksum
from collectors.sources.event_folder import EventFolder
from collectors.sources.tail import Tail
from controller.cluster.kubernetes.log_lines import LogLines
from events.clock import now
from events.metrics import Point
from events.spec.collector import MetricsCollectorSpec, Preset
from tests.fuzz.generator import Generator
from tests.fuzz.within import ask
from tests.tiers import LONG

COUNT = 400_000 if LONG else 4_800
METRICS = ("loss", "val/loss", "a b", "accuracy", "λ")
FILTERS = (
    r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)", r"(l.*)(.*)", r"(.)(.)(?:.*z)?",
    r"(loss)|(=)", r"(loss)?(1*)*=", r"(?i)(LOSS)\D*(\d+)", r"(loss)(?:x{0,1000}){0,1}(1)", r"()()",
)  # fmt: skip
PIECES = (
    "loss=1", "loss=", "loss = -1e-3 ", "val/loss=.5", "a b=2", "λ=3", "|loss|=4 ", '"loss": "5"',
    "{", "}", '"timestamp": ', '"loss": 1', '{"loss": 0.5, "timestamp": 1e9}', "NaN", "Infinity",
    "1e999", "9" * 400, "9" * 5000, "[" * 2000, "\x1b[31m", "\x1b[", "\x1b", ";1;1;1", "=", " ",
    "2026-11-22T10:00:00.123456789Z ", "0001-01-01T00:00:00+14:00 ", "9999-12-31T23:59:59-14:00 ",
    "2026-11-22T10:00:00Z loss=1", "\\u0000", "\\ud800", "null", "true", ",", ":", '"', "\\", "\0",
    "INFO:root:", "loss: 1", ", loss=1", "- loss: ", "'loss': np.float32(1)", "| loss | 1 |", "  ",
    "│", "loss      ", "tensor(", "train loss: 1, val loss: 2", "|" * 300, " " * 300, "\t",
    "accuracy=0.9", "ACCURACY=1", "epoch 1: ", "#", "٣", "é", "x" * 300,
)  # fmt: skip
ENDS = (b"\n", b"\n", b"\r\n", b"\r", b"\n\n", b"")
AT = now()


def text(make: Generator) -> bytes:
    """Lines of what parsers know, of anything, or one line as long as lines may be."""
    chance = make.chance
    if chance.random() < 0.05:
        return chance.randbytes(chance.randrange(200))
    pieces = [make.chance.choice(PIECES).encode() for _ in range(chance.choice((1, 3, 8, 20)))]
    if chance.random() < 0.02:
        once = b"".join(pieces[:3])
        return once * (MAX_LINE // len(once) + 1) + chance.choice(ENDS)
    made = b"".join(one + (chance.choice(ENDS) if chance.random() < 0.4 else b"") for one in pieces)
    return make.damaged(made) if chance.random() < 0.3 else made


def varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    return bytes((*made, number))


def field(number: int, kind: int, value: bytes) -> bytes:
    """A field of a message; of wire type 2 its value has a length."""
    return varint(number << 3 | kind) + (varint(len(value)) if kind == 2 else b"") + value


NUMBERS = ((1, 2, 5, 5), (1, 1), (1, 2, 8, 8), (2, 4, 5, 6, 7, 10, 13))
"""The fields of an event, its summary, a value and a tensor."""
VARINTS = (0, 1, 2, 3, 9, 19, 2**31, 2**63, 2**64, 2**80)


def message(make: Generator, depth: int = 0) -> bytes:
    """An event with whatever is in it: mostly what could be a scalar, of any wire type."""
    chance, made = make.chance, b""
    if depth == 3:
        made = field(1, 0, varint(chance.choice(VARINTS)))
    for _ in range(chance.choice((1, 1, 2, 4))):
        number, kind = chance.choice(NUMBERS[depth]), chance.choice((0, 1, 2, 2, 2, 2, 5))
        match kind:
            case 0:
                value = varint(chance.choice(VARINTS))
            case 1 | 5:
                value = chance.randbytes(8 if kind == 1 else 4)
            case _ if depth < 3 and chance.random() < 0.8:
                value = message(make, depth + 1)
            case _:
                value = chance.choice((b"", b"loss", b"\xff", chance.randbytes(8), b"\x01"))
        made += field(number, kind if chance.random() < 0.99 else chance.randrange(8), value)
    return made


def scalar(make: Generator) -> bytes:
    """A message of one scalar, as it is written."""
    value = field(2, 5, struct.pack("<f", make.chance.random()))
    tag = make.chance.choice((b"loss", b"accuracy", b"x"))
    summary = field(1, 2, field(1, 2, tag) + value)
    return field(1, 1, struct.pack("<d", 1.7e9)) + field(2, 0, varint(7)) + field(5, 2, summary)


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    sums = [struct.pack("<I", masked_checksum(one)) for one in (length, data)]
    return b"".join((length, sums[0], data, sums[1]))


def event_file(make: Generator) -> bytes:
    made = b"".join(
        record(scalar(make) if make.chance.random() < 0.5 else message(make))
        for _ in range(make.chance.choice((1, 2, 5)))
    )
    return make.damaged(made) if make.chance.random() < 0.2 else made


def cut(make: Generator, data: bytes) -> Iterator[bytes]:
    """The same in one to six pieces."""
    places = sorted(make.chance.randrange(len(data) + 1) for _ in range(make.chance.randrange(6)))
    for start, end in zip((0, *places), (*places, len(data)), strict=True):
        yield data[start:end]


def in_pieces(
    make: Generator, reader: Callable[[], Tail | EventFolder], file: Path, data: bytes
) -> list[Point]:
    """What is read while the file grows; now and then by another reader, which goes on."""
    file.unlink(missing_ok=True)
    reading, points = reader(), list[Point]()
    for piece in cut(make, data):
        with file.open("ab") as out:
            out.write(piece)
        points += reading.read()
        if make.chance.random() < 0.3:
            state = reading.state()
            reading = reader()
            reading.restore(state)
    while found := reading.finish():
        points += found
    return points


def expected(spec: MetricsCollectorSpec, data: bytes) -> list[Point]:
    """What the lines report, read at once."""
    parse, steps, points = parser_for(spec, METRICS), Counter[str](), list[Point]()
    for line in filter(None, re.split(rb"[\r\n]", data)):
        for metric, value, at in parse(line[:MAX_LINE].decode(errors="replace")):
            steps[metric] += 1
            points.append(Point(metric, steps[metric], at or AT, value))
    return points


def same(some: Sequence[Point], others: Sequence[Point]) -> bool:
    """As texts: NaN is NaN."""
    return list(map(repr, some)) == list(map(repr, others))


def clock() -> datetime:
    return AT


def collector(make: Generator) -> MetricsCollectorSpec:
    """Text with Katib's filter, ready ones or others, or lines of JSON."""
    filters = make.chance.sample(FILTERS, make.chance.choice((1, 2)))
    path = {"path": "/m", "format": "JSON" if make.chance.random() < 0.3 else "TEXT"}
    wanted = make.chance.choice(
        ({}, {"metricsFormat": filters}, {"preset": make.chance.choice(list(Preset)).value})
    )
    source = {"fileSystemPath": path, "filter": wanted}
    tree = {"collector": {"kind": "File"}, "source": source if wanted else {"fileSystemPath": path}}
    return MetricsCollectorSpec.model_validate(tree, strict=False)


def test_any_line_is_read_in_whatever_pieces_it_comes(tmp_path: Path) -> None:
    file = tmp_path / "metrics.log"

    def examine(make: Generator) -> None:
        data, spec = text(make), collector(make)
        points = in_pieces(make, lambda: Tail(file, parser_for(spec, METRICS), clock), file, data)
        assert same(points, expected(spec, data)), data[:500]

    ask(COUNT // 2, examine)


def test_any_event_file_is_read_in_whatever_pieces_it_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("ERROR")
    file = tmp_path / "events.out.tfevents.1"

    def examine(make: Generator) -> None:
        data = event_file(make)

        def reader() -> EventFolder:
            return EventFolder(tmp_path, METRICS, clock)

        points = in_pieces(make, reader, file, data)
        file.write_bytes(data)
        assert same(points, reader().finish()), data[:500]

    ask(COUNT // 4, examine)


def test_any_log_of_a_pod_is_taken_in_whatever_pieces_it_comes() -> None:
    times = [piece for piece in PIECES if piece.endswith("Z ") or "T" in piece[:11]]

    def examine(make: Generator) -> None:
        lines = [make.chance.choice(times).encode() + text(make) for _ in range(3)]
        data = b"\n".join(lines)
        whole, pieces = LogLines(), LogLines()
        taken = whole.take(data)
        assert b"".join(map(pieces.take, cut(make, data))) == taken, data[:500]

    ask(COUNT // 4, examine)
