"""Several controllers share the shards and the experiments, through a real Kafka and a real
Postgres."""

import asyncio
from collections import Counter
from uuid import uuid4
from zlib import crc32

import pytest

from controller.cluster.simulated import Answer
from events import topics
from events.bus import Record
from events.bus.kafka import KafkaSettings
from events.bus.kafka.topics import create, delete
from events.clock import now
from events.envelope import Envelope, encode
from events.facts import ExperimentState
from events.ids import ExperimentId, Shard
from events.signals import (
    DeletionRequested,
    ExtensionRequested,
    PauseRequested,
    ResumeRequested,
    StopRequested,
    TimePassed,
)
from events.spec.space import Assignment
from tests.controller.app.town import Controller, Town, town
from tests.controller.flows.stage import Wanted, on_stage
from tests.controller.flows.test_whole import ALGORITHMS
from tests.eventually import eventually_async

SHARDS = 24


def slow(assignment: Assignment) -> Answer:
    """Half a second in real time, paced."""
    return Answer([{"loss": float(assignment["x"])}] * 3, seconds=0.5)


async def test_the_same_seed_gives_the_same_suggestions_through_kafka(
    fresh_database_url: str, kafka: KafkaSettings
) -> None:
    async with town(fresh_database_url, kafka) as place:
        for name, algorithm in ALGORITHMS.items():
            async with on_stage(
                fresh_database_url, Wanted(f"alone-{name}", 20, algorithm=algorithm)
            ) as stage:
                await stage.run_to_rest()
            await place.submit(Wanted(f"shared-{name}", 20, algorithm=algorithm))
            await place.done(f"shared-{name}")
            alone = await place.assignments(f"alone-{name}")
            assert len(alone) == 20
            assert await place.assignments(f"shared-{name}") == alone


def at_work(place: Town) -> list[Controller]:
    return [one for one in place.controllers if not one.control.leaving.is_set()]


async def untroubled(place: Town) -> None:
    """No shard fails and starts again, which would hide what it cannot decide."""
    await place.quiet()
    assert [reason for one in at_work(place) for reason in one.control.reasons()] == []


async def shared(place: Town, *counts: int) -> None:
    """Wait until the controllers that are at work own so many shards each."""
    await eventually_async(
        lambda: sorted(len(one.shards) for one in at_work(place)) == list(counts)
    )
    owned = Counter(shard for one in place.controllers for shard in one.shards)
    assert owned == dict.fromkeys(range(SHARDS), 1)


async def test_shards_are_shared_evenly_whoever_comes_and_goes(
    fresh_database_url: str, kafka: KafkaSettings
) -> None:
    async with town(fresh_database_url, kafka) as place:
        await shared(place, 24)
        for _ in range(4):
            await place.open_controller()
        await shared(place, 4, 5, 5, 5, 5)
        await place.controllers[0].leave()
        await place.controllers[3].leave()
        await shared(place, 8, 8, 8)


async def test_experiments_are_exact_while_their_owners_change(
    fresh_database_url: str, kafka: KafkaSettings
) -> None:
    names = [f"exact-{number}" for number in range(6)]
    async with town(fresh_database_url, kafka, 2, function=slow, pace=1.0) as place:
        for name in names:
            await place.submit(Wanted(name, 40, 8))
        for _ in range(3):
            await place.open_controller()
            await asyncio.sleep(0.5)
            await at_work(place)[0].leave()
        for name in names:
            experiment = await place.done(name)
            assert experiment.progress.state is ExperimentState.SUCCEEDED
            assert experiment.progress.counts.succeeded == 40
            assert [seq for seq, _, _ in await place.facts(name)] == list(
                range(1, experiment.progress.version + 1)
            )


async def test_requests_act_once_however_often_they_are_heard(
    fresh_database_url: str, kafka: KafkaSettings
) -> None:
    async with town(fresh_database_url, kafka, function=slow, pace=1.0) as place:
        await place.submit(Wanted("asked", 12, 2))
        await place.ask(
            "asked",
            PauseRequested(),
            ResumeRequested(),
            ExtensionRequested(max_trial_count=16),
            again=3,
        )
        done = await place.done("asked")
        assert done.progress.counts.succeeded == 16
        kinds = Counter(kind for _, _, kind in await place.facts("asked"))
        await untroubled(place)
        assert (
            kinds["experiment.paused"],
            kinds["experiment.resumed"],
            kinds["budget.extended"],
        ) == (1, 1, 1)


async def test_a_replay_of_everything_changes_nothing(
    fresh_database_url: str, kafka: KafkaSettings
) -> None:
    async with town(fresh_database_url, kafka) as place:
        await place.submit(
            Wanted("whole", 30, 4, extra="earlyStopping: {algorithmName: medianstop}")
        )
        await place.submit(Wanted("halted", 5_000, 4))
        await place.submit(Wanted("gone", 10))
        await place.ask("halted", PauseRequested(), ResumeRequested(), StopRequested())
        await place.done("whole")
        await place.done("halted")
        await place.done("gone")
        await place.ask("gone", DeletionRequested())
        await place.until(lambda known: known is None, "gone")
        await place.holds(
            "NOT EXISTS (SELECT FROM measurement m "
            "WHERE NOT EXISTS (SELECT FROM experiment e WHERE e.id = m.experiment))"
        )
        before = [await place.facts(name) for name in ("whole", "halted")]
        points = await place.database.fetch("SELECT count(*) FROM measurement")
        await place.controllers[0].leave()
        await place.database.execute("UPDATE position SET next = 0")
        await place.open_controller()
        await place.holds(
            "(SELECT min(next) FROM position WHERE topic LIKE '%signals' AND next > 0) > 3"
        )
        await place.submit(Wanted("after", 5))
        await place.done("after")
        assert [await place.facts(name) for name in ("whole", "halted")] == before
        assert (await place.facts("gone")) == []
        await untroubled(place)
        rows = await place.database.fetch(
            "SELECT count(*) FROM measurement WHERE experiment <> (SELECT id FROM experiment "
            "WHERE name = 'after')"
        )
        assert rows == points


def poison(shard: int, experiment: ExperimentId) -> dict[str, Record]:
    """Records that cannot be decided on, each with a word of its reason."""
    fine = encode(
        Envelope(uuid4(), None, experiment, now(), TimePassed()), topics.SIGNALS, Shard(shard)
    )
    headers = dict(fine.headers)

    def record(value: bytes, **changed: bytes) -> Record:
        return Record(
            fine.topic, fine.partition, fine.key, tuple({**headers, **changed}.items()), value
        )

    stranger = encode(
        Envelope(uuid4(), None, ExperimentId(uuid4()), now(), StopRequested()),
        topics.SIGNALS,
        Shard(shard),
    )
    return {
        "body is not valid": record(b"{not json"),
        "is not known": record(fine.value, ce_type=b"io.trialstream.time.passed.v9"),
        "recursion": record(b'{"type":' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
        "is missing": Record(fine.topic, fine.partition, b"", (), b"hello"),
        "there is no experiment": stranger,
        "the header says": record(fine.value, ce_type=b"io.trialstream.experiment.stop.v1"),
        "is not a signal": record(
            b'{"type":"search.exhausted"}', ce_type=b"io.trialstream.search.exhausted.v1"
        ),
    }


async def test_poison_is_put_aside_and_holds_up_nobody(
    fresh_database_url: str, kafka: KafkaSettings
) -> None:
    async with town(fresh_database_url, kafka) as place:
        number = await place.submit(Wanted("healthy", 5_000, 2))
        (row,) = await place.database.fetch("SELECT shard FROM experiment")
        records = poison(row["shard"], number)
        elsewhere = encode(
            Envelope(uuid4(), None, number, now(), StopRequested()),
            topics.SIGNALS,
            Shard((row["shard"] + 1) % SHARDS),
        )
        point = b'["loss",1,"2026-01-01T00:00:00Z",NaN]'
        nan = b'{"type":"metrics.reported","trial":1,"attempt":1,"points":[%s]}' % point
        odd = Record(
            topics.METRICS,
            row["shard"],
            b"k",
            (("ce_type", b"io.trialstream.metrics.reported.v1"),),
            nan,
        )
        await place.publish(*records.values(), elsewhere, odd)
        await place.ask("healthy", StopRequested())
        assert (await place.done("healthy")).progress.state is ExperimentState.STOPPED
        await place.holds(f"(SELECT count(*) = {len(records) + 2} FROM dead_letter)")
        reasons = [
            one["reason"] for one in await place.database.fetch("SELECT reason FROM dead_letter")
        ]
        for word in (*records, "is of shard"):
            assert any(word in reason for reason in reasons), (word, reasons)
        await place.holds("(SELECT bool_and(published) FROM dead_letter)")


async def test_a_topic_that_is_made_again_is_read_from_its_start(
    fresh_database_url: str, kafka: KafkaSettings
) -> None:
    async with town(fresh_database_url, kafka) as place:
        await place.submit(Wanted("before", 10))
        await place.done("before")
        before = await place.facts("before")
        await delete(kafka)
        await create(kafka)
        await asyncio.sleep(3)  # until the pulse has seen it
        await place.submit(Wanted("behind", 10))
        assert (await place.done("behind")).progress.counts.succeeded == 10
        assert await place.facts("before") == before


async def test_of_two_submissions_of_one_name_the_first_wins(
    fresh_database_url: str, kafka: KafkaSettings
) -> None:
    async with town(fresh_database_url, kafka) as place:
        first = await place.submit(Wanted("twice", 7))
        await place.submit(Wanted("twice", 9))
        assert (await place.done("twice")).identity.id == first
        assert len(await place.assignments("twice")) == 7


@pytest.mark.parametrize("when", ["running", "done"])
async def test_a_deleted_experiment_leaves_nothing(
    fresh_database_url: str, kafka: KafkaSettings, when: str
) -> None:
    async with town(fresh_database_url, kafka, function=slow, pace=1.0) as place:
        number = await place.submit(Wanted("doomed", 2 if when == "done" else 5_000, 2))
        if when == "done":
            await place.done("doomed")
        await place.ask("doomed", DeletionRequested())
        await place.until(lambda known: known is None, "doomed")
        for table in ("fact", "trial", "measurement", "outbox", "inbox"):
            await place.holds(f"NOT EXISTS (SELECT FROM {table} WHERE experiment = '{number}')")


async def test_an_experiment_that_only_a_newer_version_can_read_holds_up_nobody(
    fresh_database_url: str, kafka: KafkaSettings
) -> None:
    async with town(fresh_database_url, kafka, function=slow, pace=1.0) as place:
        newer = await place.submit(Wanted("newer", 5_000, 2))
        (row,) = await place.database.fetch("SELECT shard FROM experiment")
        await place.controllers[0].leave()
        await place.database.execute(
            "UPDATE experiment SET spec = spec || '{\"fromTheFuture\": 1}'"
        )
        neighbour = next(
            name
            for name in (f"n{n}" for n in range(1000))
            if crc32(name.encode()) % SHARDS == row["shard"]
        )
        await place.open_controller()
        await place.submit(Wanted(neighbour, 4, 2))
        assert (await place.done(neighbour)).progress.counts.succeeded == 4
        stop = Envelope(uuid4(), None, newer, now(), StopRequested())
        await place.publish(encode(stop, topics.SIGNALS, Shard(row["shard"])))
        await place.holds(
            "(SELECT count(*) = 1 FROM dead_letter WHERE reason LIKE '%of a newer version%')"
        )
        await place.database.execute("UPDATE experiment SET spec = spec - 'fromTheFuture'")
