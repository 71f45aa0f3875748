"""Subscriptions: where they start, what they pass on, how they are typed, and which tokens they
refuse."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from events import topics
from events.bus import Delivery, Record
from events.bus.kafka import KafkaSettings, open_bus
from events.envelope import Envelope, UnreadableRecordError, encode
from events.ids import Shard
from tests.trialstream.conftest import Stream
from tests.trialstream.plays import play
from trialstream import (
    BEGINNING,
    NOW,
    Event,
    Subscription,
    TokenRefusedError,
    UnknownEvent,
    subscribe,
)
from trialstream.event import read_event
from trialstream.facts import ExperimentAdmitted, Fact, TrialConcluded
from trialstream.reading import read_fact
from trialstream.tokens import StreamPosition, read_token

BOWL = play("bowl", 3, "team")
LAST = BOWL[-1]
PLACE = StreamPosition("log", {0: 7, 2: 0})


def read(subscription: Subscription, count: int) -> list[Event]:
    """The first events of a subscription."""

    async def reading() -> list[Event]:
        events: list[Event] = []
        async with asyncio.timeout(20), subscription:
            async for event in subscription:
                events.append(event)
                if len(events) == count:
                    break
        return events

    return asyncio.run(reading())


def ids(events: list[Event]) -> list[object]:
    return [event.id for event in events]


def expected(
    envelopes: list[Envelope], wanted: Callable[[Envelope], bool] = lambda _: True
) -> list[object]:
    return [one.id for one in envelopes if wanted(one)]


def light(envelope: Envelope) -> Fact:
    """Its fact as the light package has it."""
    return read_fact(
        f"io.trialstream.{envelope.body.type}.v1",
        envelope.body.model_dump_json(by_alias=True).encode(),
    )


def test_events_are_typed_and_placed(stream: Stream) -> None:
    stream.publish(*BOWL)
    events = read(subscribe(stream.settings, start=BEGINNING), len(BOWL))
    assert [(one.id, one.sequence, one.at, one.body) for one in events] == [
        (one.id, one.sequence, one.at, light(one)) for one in BOWL
    ]
    assert {(one.name, one.namespace, one.experiment) for one in events} == {
        ("bowl", "team", LAST.experiment)
    }
    assert isinstance(events[0].body, ExperimentAdmitted)
    assert [one.trial for one in events if isinstance(one.body, TrialConcluded)] == [1, 2, 3]


def test_each_token_leads_to_the_next_event(stream: Stream) -> None:
    other = play("other", 2)
    stream.publish(*BOWL, *other)
    events = read(subscribe(stream.settings, start=BEGINNING), len(BOWL) + len(other))
    for number in (0, len(events) // 2, len(events) - 2):
        rest = read(
            subscribe(stream.settings, start=events[number].token), len(events) - number - 1
        )
        assert set(ids(rest)) == set(ids(events[number + 1 :]))


def test_a_token_moves_on_while_nothing_is_wanted(stream: Stream) -> None:
    stream.publish(*BOWL)
    wanted = subscribe(stream.settings, start=BEGINNING, types=["experiment.concluded"])
    (last,) = read(wanted, 1)
    assert wanted.token == last.token
    stream.publish(*play("bowl", 1, "later"))
    (first,) = read(subscribe(stream.settings, start=wanted.token), 1)
    assert first.namespace == "later"


def test_filters(stream: Stream) -> None:
    elsewhere = play("bowl", 2, "elsewhere")
    stream.publish(*BOWL, *elsewhere)
    settings, concluded = stream.settings, "trial.concluded"
    of_trial_2 = expected(BOWL, lambda one: getattr(one.body, "trial", None) == 2)
    for experiment in ("team/bowl", LAST.experiment):
        chosen = subscribe(settings, start=BEGINNING, experiment=experiment, trial=2)
        assert ids(read(chosen, len(of_trial_2))) == of_trial_2
    by_type = subscribe(settings, start=BEGINNING, experiment="bowl", types=[concluded])
    wanted = expected([*BOWL, *elsewhere], lambda one: one.body.type == concluded)
    assert sorted(ids(read(by_type, 5)), key=str) == sorted(wanted, key=str)
    by_namespace = subscribe(settings, start=BEGINNING, namespace="elsewhere")
    assert ids(read(by_namespace, len(elsewhere))) == expected(elsewhere)


def test_now_means_what_comes_after(stream: Stream) -> None:
    async def scene() -> Event:
        async with (
            asyncio.timeout(20),
            subscribe(stream.settings, start=NOW) as events,
            aclosing(aiter(events)) as each,
        ):
            await publish(stream.settings, LAST)
            return await anext(each)

    stream.publish(*BOWL[:-1])
    assert asyncio.run(scene()).id == LAST.id


async def publish(settings: KafkaSettings, *envelopes: Envelope) -> None:
    async with open_bus(settings) as bus:
        await bus.publish([encode(one, topics.EVENTS, Shard(0)) for one in envelopes])


def test_a_time_means_what_was_published_since(stream: Stream) -> None:
    stream.publish(*BOWL[:5])
    between = datetime.now(UTC)  # noqa: TID251  # by Kafka's clock, on the same machine
    stream.publish(*BOWL[5:])
    assert ids(read(subscribe(stream.settings, start=between), len(BOWL) - 5)) == expected(BOWL[5:])
    with pytest.raises(ValueError, match="has no time zone"):
        subscribe(stream.settings, start=between.replace(tzinfo=None))


def test_a_position_for_each_partition(stream: Stream) -> None:
    stream.publish(*BOWL)
    (event,) = read(subscribe(stream.settings, start=dict.fromkeys(range(3), 4)), 1)
    assert event.sequence == 5


def test_a_group_goes_on_where_it_was_when_more_was_asked_for(stream: Stream) -> None:
    async def two_batches() -> None:
        async with (
            asyncio.timeout(20),
            subscribe(stream.settings, start=BEGINNING, group=group) as events,
            aclosing(aiter(events)) as each,
        ):
            for _ in BOWL[:-1]:
                await anext(each)
            await publish(stream.settings, LAST)
            assert (await anext(each)).id == LAST.id

    group = f"group-{uuid4().hex}"
    stream.publish(*BOWL[:-1])
    asyncio.run(two_batches())
    (first,) = read(subscribe(stream.settings, start=BEGINNING, group=group), 1)
    assert first.id == LAST.id


def test_what_was_published_twice_comes_once_if_so_asked(stream: Stream) -> None:
    stream.publish(*BOWL[:6], *BOWL[2:6], *BOWL[4:])
    twice = read(subscribe(stream.settings, start=BEGINNING), len(BOWL) + 4 + 2)
    assert len({one.id for one in twice}) == len(BOWL)
    assert ids(
        read(subscribe(stream.settings, start=BEGINNING, deduplicated=True), len(BOWL))
    ) == expected(BOWL)


def test_a_token_of_another_log_is_refused(stream: Stream) -> None:
    stream.publish(*BOWL)
    (event,) = read(subscribe(stream.settings, start=BEGINNING), 1)
    foreign = replace(event.place, log="elsewhere/1").token
    with pytest.raises(
        TokenRefusedError, match="the token is of the log elsewhere/1, and this one is"
    ):
        read(subscribe(stream.settings, start=foreign), 1)


def test_a_record_that_is_no_event_is_passed_over(
    stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    async def poison() -> None:
        async with open_bus(stream.settings) as bus:
            await bus.publish([Record(topics.EVENTS, 0, b"", (), b"?")])
            await bus.publish([encode(LAST, topics.EVENTS, Shard(0))])

    asyncio.run(poison())
    with caplog.at_level(logging.WARNING):
        (event,) = read(subscribe(stream.settings, start=BEGINNING), 1)
    assert event.id == LAST.id
    assert "partition 0, position 0 holds no event: the header ce_time is missing" in caplog.text


def test_tokens_survive_and_what_is_not_whole_is_refused() -> None:
    assert read_token(PLACE.token) == PLACE
    for text in (
        PLACE.token[:-3],
        PLACE.token + "x",
        "ts1.",
        "beginnning",
        "",
        "ts1.!!",
        "ts1.e30",
        PLACE.token[4:],
    ):
        with pytest.raises(TokenRefusedError, match="is not a token, or not all of it"):
            read_token(text)


@pytest.mark.parametrize(
    ("kind", "value", "trial"),
    [
        ("trial.migrated.v1", b'{"type": "trial.migrated", "trial": 4, "node": "b"}', 4),
        ("trial.concluded.v2", b'{"type": "trial.concluded", "trial": 5}', 5),
        ("trial.paused.v1", b'{"type": "trial.paused", "trial": "six"}', None),
        ("trial.paused.v1", b"not json", None),
        ("time.passed.v1", b'{"type": "time.passed"}', None),
    ],
)
def test_what_a_newer_version_wrote_is_delivered_as_it_is(
    kind: str, value: bytes, trial: int | None
) -> None:
    record = encode(LAST, topics.EVENTS, Shard(0))
    headers = {**dict(record.headers), "ce_type": f"io.trialstream.{kind}".encode()}
    newer = replace(record, headers=tuple(headers.items()), value=value)
    event = read_event(Delivery(newer, 3), PLACE)
    assert isinstance(event.body, UnknownEvent)
    assert event.body.raw == value
    assert (event.type, event.trial, event.sequence) == (
        kind.removesuffix(".v1"),
        trial,
        LAST.sequence,
    )


def test_an_event_has_its_number() -> None:
    record = encode(replace(LAST, sequence=None), topics.EVENTS, Shard(0))
    with pytest.raises(UnreadableRecordError, match="the header ce_sequence is missing"):
        read_event(Delivery(record, 3), PLACE)


def test_as_a_cloud_event_it_is_what_was_published() -> None:
    record = encode(LAST, topics.EVENTS, Shard(0))
    event = read_event(Delivery(record, 3), PLACE)
    tree = event.as_cloud_event()
    assert tree["data"] == LAST.body.model_dump(mode="json")
    assert {
        name: tree[name]
        for name in ("id", "type", "subject", "sequence", "experiment", "namespace")
    } == {
        "id": str(LAST.id),
        "type": "io.trialstream.experiment.concluded.v1",
        "subject": str(LAST.experiment),
        "sequence": f"{LAST.sequence:020}",
        "experiment": "bowl",
        "namespace": "team",
    }
    broken = read_event(Delivery(replace(record, value=b"\xff"), 3), PLACE)
    assert broken.as_cloud_event()["data_base64"] == "/w=="


def test_without_a_kafka_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIALSTREAM_KAFKA", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nowhere")
    with pytest.raises(ValueError, match="none is named; give host:port, or set TRIALSTREAM_KAFKA"):
        subscribe()
