"""Any record of any type that decodes either commits or is put aside, and the next one is decided
on; what is left can be read by the next owner and listed by everybody."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

from controller.store.dead_letters import MOST_LETTERS
from controller.store.holding import load
from controller.store.ledger import Ledger
from controller.store.outbox import Outbox
from controller.store.queries.experiments import ExperimentQueries
from events import topics
from events.bus import Record
from events.envelope import Body, UnreadableRecordError, decode, encode
from events.ids import ExperimentId, TrialNumber
from events.metrics import MetricsReported, Point
from events.signals import (
    ExperimentSubmitted,
    ExtensionRequested,
    SuggestionsMade,
    TimePassed,
    WorkloadStarted,
)
from tests.controller.flows.owner import Owner, owning
from tests.controller.histories import START, assignment
from tests.eventually import eventually_async
from tests.fuzz.generator import SEED, Generator, ce_type, examples
from tests.tiers import LONG
from tests.trialstream.raw_batches import CODECS, batch
from tests.trialstream.test_batches import fetched
from trialstream.kafka.records import delivery
from trialstream.records import DAMAGED, damage

ROUND = 50
"""Records about one experiment, before it is looked whether the next one is decided on."""
ROUNDS = 2_000 if LONG else 8
LOOK = MOST_LETTERS // ROUND // 2
"""Rounds between two looks at what was put aside: of more, the oldest go."""


def unlike(owner: Owner, make: Generator, one: Record) -> Record:
    """The record, seldom under a key that is not its experiment's, or as what stands in the place
    of a damaged batch of it."""
    if make.chance.random() < 0.05:
        keys = (b"", b"\xff\0", str(owner.author.id).encode(), str(uuid4()).encode(), b"k" * 5_000)
        one = replace(one, key=make.chance.choice(keys))
    if make.chance.random() < 0.05:
        codec = make.chance.choice(list(CODECS.values()))
        made = batch(0, [one.value] * make.chance.choice((1, 3)), codec)
        found, _ = fetched(make.damaged(made) if make.chance.random() < 0.5 else damaged(made))
        seen = [delivery(one.topic, part).record for part in found]
        one = replace(seen[-1], partition=one.partition) if seen else one
    if make.chance.random() < 0.02:
        one = replace(one, headers=(*one.headers, (DAMAGED, b"says a stranger")))
    return one


def damaged(made: bytes) -> bytes:
    """With another last byte, and so a wrong checksum."""
    return made[:-1] + bytes([made[-1] ^ 1])


def record(owner: Owner, make: Generator, target: ExperimentId) -> Record:
    """A record about the target, mostly, of any type."""
    kind, tree = make.body()
    if kind == ce_type("experiment.submitted") and isinstance(tree, dict):
        target = ExperimentId(uuid4())
        if make.chance.random() < 0.9:
            tree["name"] = f"e{target.hex[:12]}"
    metric = kind.startswith("io.trialstream.metrics.") and not kind.endswith("collected.v1")
    topic = topics.METRICS if metric != (make.chance.random() < 0.05) else topics.SIGNALS
    known = encode(owner.envelope(TimePassed(), experiment=target), topic, owner.holding.shard)
    headers = {**dict(known.headers), "ce_type": kind.encode()}
    if make.chance.random() < 0.05:
        name = make.chance.choice(list(headers))
        headers[name] = make.damaged(headers[name])
    value = json.dumps(tree).encode()
    if make.chance.random() < 0.05:
        value = make.damaged(value)
    made = Record(topic, owner.holding.shard, known.key, tuple(headers.items()), value)
    return unlike(owner, make, made)


def beginning(owner: Owner, target: ExperimentId) -> Iterator[Record]:
    """An experiment of its own with three trials, two of them running."""
    spec = owner.author.experiment.spec
    name = f"e{target.hex[:12]}"
    bodies: tuple[Body, ...] = (
        ExperimentSubmitted(name=name, namespace="default", spec=spec, seed=1),
        SuggestionsMade(request=1, assignments=tuple(map(assignment, (1, 2, 3)))),
        *(WorkloadStarted(trial=TrialNumber(number), attempt=1) for number in (1, 2)),
    )
    for body in bodies:
        yield encode(owner.envelope(body, experiment=target), topics.SIGNALS, owner.holding.shard)


async def decided_next(owner: Owner, number: int) -> None:
    """A further signal and a further point of somebody else have their effect."""
    point = Point("loss", number, START, 0.5)
    reported = MetricsReported(trial=TrialNumber(1), attempt=1, points=(point,))
    extended = ExtensionRequested(max_trial_count=1_000 + number)
    await owner.publish(
        topics.SIGNALS,
        encode(owner.envelope(extended), topics.SIGNALS, owner.holding.shard),
        encode(owner.envelope(reported), topics.METRICS, owner.holding.shard),
    )
    await owner.holds(
        "EXISTS (SELECT FROM fact WHERE experiment = $1 AND type = 'budget.extended' "
        "AND data->>'max_trial_count' = $2)", owner.author.id, str(1_000 + number),
    )  # fmt: skip
    await owner.holds(
        "EXISTS (SELECT FROM measurement WHERE experiment = $1 AND step = $2)",
        owner.author.id, number,
    )  # fmt: skip


async def test_any_record_commits_or_is_put_aside_and_the_next_is_decided_on(
    fresh_database_url: str,
) -> None:
    name = f"e{uuid4().hex[:12]}"
    async with owning(fresh_database_url, name, trials=6, parallel=3) as owner:
        await owner.author.suggest(*(assignment(number) for number in (1, 2, 3)))
        owner.holding.experiments[owner.author.id] = owner.author.experiment
        unreadable, places = set[bytes](), 0
        for number in range(1, ROUNDS + 1):
            target = ExperimentId(uuid4())
            made = [
                record(owner, make, target) for _, make in examples(SEED, ROUND, number * ROUND)
            ]
            places += sum(damage(one) is not None and not readable(one) for one in made)
            unreadable |= {one.value for one in made if not readable(one)}
            await owner.publish("", *beginning(owner, target), *made)
            await decided_next(owner, number)
            if number % LOOK == 0 or number == ROUNDS:
                rows = await eventually_async(partial(put_aside, owner, unreadable))
                faults = [row["reason"] for row in rows if "no decision" in row["reason"]]
                assert not faults, f"{len(faults)}: {faults[0]}"
                unreadable.clear()
        assert places >= ROUNDS / 2, "damaged batches were among them"
        await read_again(owner)


async def put_aside(owner: Owner, unreadable: set[bytes]) -> list[Any]:
    """All dead letters, as soon as they have these; none before."""
    rows: list[Any] = await owner.database.fetch("SELECT value, reason FROM dead_letter")
    return rows if unreadable <= {row["value"] for row in rows} else []


def readable(one: Record) -> bool:
    try:
        decode(one)
    except UnreadableRecordError:
        return False
    return True


async def read_again(owner: Owner) -> None:
    """The next owner has all that is live, and a list has everything."""
    holding, database = owner.holding, owner.database
    again = await load(Ledger(database), Outbox(database), holding.shard, holding.epoch)
    assert again.experiments == holding.experiments
    assert all(again.assignments[one] == given for one, given in holding.assignments.items())
    listed = await ExperimentQueries(database).newest(limit=1_000_000)
    assert len(listed) > ROUNDS
