"""Records that nobody can act on: what no reader understands, and what is of no use to the one who
reads it."""

import json
from dataclasses import replace
from random import Random
from uuid import uuid4

from events import topics
from events.bus import Record
from events.bus.kafka.topics import PARTITIONS
from events.clock import now
from events.envelope import Envelope, encode, report_points
from events.ids import AttemptKey, ExperimentId, Shard, TrialNumber, shard_of
from events.metrics import Point
from events.signals import PauseRequested, ResumeRequested, Signal, TimePassed
from tests.faults.installation import Installation

OBSERVATION = '{"loss": {"min": NaN, "max": 1.0, "latest": NaN, "count": 1}}'

NAMES, POINTS, REQUESTS = 300, 5_000, 40
"""Of one flood."""


def shard(name: str) -> Shard:
    return shard_of("default", name, PARTITIONS)


def poison(place: Installation, name: str, where: str | None = None) -> dict[str, Record]:
    """One record of each kind about an experiment, on the signals of its shard, or that of the
    experiment `where`."""
    victim = ExperimentId(place.postgres.value("SELECT id FROM experiment WHERE name = $1", name))
    target = shard(where or name)
    well = encode(Envelope(uuid4(), None, victim, now(), TimePassed()), topics.SIGNALS, target)
    pause = Envelope(uuid4(), None, victim, now(), PauseRequested())
    asked = encode(pause, topics.SIGNALS, target)
    collected = (
        b'{"type": "metrics.collected", "trial": 1, "attempt": 1, "observation": %s}'
        % OBSERVATION.encode()
    )
    deep = b'{"type": "time.passed", "more": %s%s}' % (b"[" * 100_000, b"]" * 100_000)
    stranger = replace(pause, experiment=ExperimentId(uuid4()))
    return {
        "bad JSON": replace(well, value=b"{so it goes}"),
        "cut off": replace(asked, value=asked.value[:-5]),
        "no UTF-8": replace(well, value=b"\xff\xfe\x00"),
        "deep nesting": replace(well, value=deep),
        "NaN token": typed(replace(well, value=collected), "metrics.collected.v1"),
        "huge": replace(well, value=b"x" * 900_000),
        "unknown type": typed(replace(well, value=b'{"type": "nonsense"}'), "nonsense.v1"),
        "newer version": typed(asked, "experiment.pause.v2"),
        "two types": typed(asked, "experiment.stop.v1"),
        "no headers": replace(well, headers=()),
        "a fact": typed(
            replace(well, value=b'{"type": "experiment.deleted"}'), "experiment.deleted.v1"
        ),
        "unknown experiment": encode(stranger, topics.SIGNALS, target),
        "wrong shard": encode(pause, topics.SIGNALS, Shard((target + 1) % PARTITIONS)),
    }


def typed(record: Record, kind: str) -> Record:
    """It says that it is of another type."""
    headers = [(name, value) for name, value in record.headers if name != "ce_type"]
    return replace(record, headers=(*headers, ("ce_type", f"io.trialstream.{kind}".encode())))


def unfit(place: Installation, name: str, where: str) -> dict[str, Record]:
    """Of an experiment: a submission that no admission lets in, and measurements that are none, for
    the shard of `where`."""
    row = place.postgres.rows(
        "SELECT experiment, data FROM fact f WHERE type = 'experiment.admitted' "
        "AND data->>'name' = $1",
        name,
    )[0]
    number, data, target = ExperimentId(row["experiment"]), row["data"], shard(where)
    spec = {**data["spec"], "trialTemplate": {"command": ["${trialParameters.nobody}"]}}
    submitted = {"type": "experiment.submitted", "name": "unfit", "namespace": "default"}
    told = Envelope(uuid4(), None, ExperimentId(uuid4()), now(), TimePassed())
    tick = encode(told, topics.SIGNALS, target)
    body = json.dumps({**submitted, "spec": spec, "seed": 1}).encode()
    report = report_points(
        AttemptKey(number, TrialNumber(1), 1), [Point("m", 1, now(), 0.0)], now()
    )
    points = encode(report, topics.METRICS, target)
    return {
        "unfit": typed(replace(tick, value=body), "experiment.submitted.v1"),
        "cut off": replace(points, value=points.value[:-3]),
        "no number": replace(points, value=points.value.replace(b"0.0", b"1e999")),
        "no measurement": replace(tick, topic=points.topic),
    }


def flood(place: Installation, name: str, dice: Random, where: str) -> list[Record]:
    """Thousands of points under hundreds of names, and requests by the dozen, on the shard of the
    experiment `where`."""
    number = ExperimentId(place.postgres.value("SELECT id FROM experiment WHERE name = $1", name))
    key = AttemptKey(number, TrialNumber(1), 1)
    requests: list[Signal] = [PauseRequested(), ResumeRequested()] * (REQUESTS // 2)
    told = [Envelope(uuid4(), None, number, now(), one) for one in requests]
    points = [
        Point(f"m{dice.randrange(NAMES)}", step, now(), dice.random())
        for step in range(1, POINTS + 1)
    ]
    reports = [
        report_points(key, points[first : first + 500], now()) for first in range(0, POINTS, 500)
    ]
    return [
        *(encode(one, topics.METRICS, shard(where)) for one in reports),
        *(encode(one, topics.SIGNALS, shard(where)) for one in told),
    ]
