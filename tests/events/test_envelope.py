"""What is encoded is decoded the same; what cannot be read is an UnreadableRecordError and nothing
else."""

import json
from contextlib import suppress
from dataclasses import fields, replace
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import topics
from events.bus import Record
from events.bus.memory import MemoryBus
from events.envelope import (
    Body,
    Envelope,
    UnencodedRecord,
    UnreadableRecordError,
    decode,
    encode,
    send,
)
from events.facts import ExperimentAdmitted, SearchExhausted
from events.ids import ExperimentId, Shard, TrialNumber
from events.metrics import MetricsReported
from events.schemas import bodies
from events.signals import ExperimentSubmitted, StopRequested, TimePassed
from tests.events.bodies import AT, ELSEWHERE, POINTS, SAMPLES
from trialstream.attributes import attributes

EXPERIMENT = ExperimentId(UUID(int=7))
ROOT = Envelope(UUID(int=1), None, EXPERIMENT, AT, TimePassed())
RECORD = encode(ROOT, topics.SIGNALS, Shard(5))


def test_there_is_a_sample_of_every_body() -> None:
    assert {type(body) for body in SAMPLES} == set(bodies())


@pytest.mark.parametrize("body", SAMPLES, ids=lambda body: body.type)
@pytest.mark.parametrize("cause", [None, UUID(int=9)])
def test_round_trip(body: Body, cause: UUID | None) -> None:
    envelope = Envelope(uuid4(), cause, EXPERIMENT, AT, body)
    record = encode(envelope, "topic", Shard(3))
    found = decode(record)
    assert replace(found, body=TimePassed()) == replace(envelope, body=TimePassed())
    assert type(found.body) is type(body)
    assert found == envelope or isinstance(
        body, MetricsReported
    )  # NaN does not equal itself, but its text does
    assert encode(found, "topic", Shard(3)) == record


@pytest.mark.parametrize("body", SAMPLES, ids=lambda body: body.type)
def test_a_record_that_is_not_encoded_yet_has_the_same_bytes(body: Body) -> None:
    envelope = Envelope(
        uuid4(), UUID(int=9), EXPERIMENT, AT, body, sequence=3, name="bowl", namespace="team"
    )
    late, record = UnencodedRecord(envelope, "topic", Shard(3)), encode(envelope, "topic", Shard(3))
    assert decode(late) is envelope
    for part in fields(Record):
        assert getattr(late, part.name) == getattr(record, part.name)
        assert getattr(late, part.name) is getattr(late, part.name)
    assert attributes(late) == attributes(record)
    assert not hasattr(late, "offset")


def test_points_that_are_not_finite_arrive_so() -> None:
    reported = MetricsReported(trial=TrialNumber(1), attempt=1, points=POINTS)
    body = decode(encode(replace(ROOT, body=reported), "topic", Shard(3))).body
    assert isinstance(body, MetricsReported)
    assert [repr(point.value) for point in body.points] == [
        "0.25",
        "nan",
        "inf",
        "-inf",
        "-0.0",
        "5e-324",
    ]


def test_the_time_keeps_its_zone() -> None:
    found = decode(encode(replace(ROOT, at=ELSEWHERE), "topic", Shard(0)))
    assert (found.at, found.at.utcoffset()) == (AT, ELSEWHERE.utcoffset())


def test_the_attributes_of_a_cloud_event() -> None:
    assert (RECORD.topic, RECORD.partition, RECORD.key) == (
        "trialstream.signals",
        5,
        str(EXPERIMENT).encode(),
    )
    assert dict(RECORD.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": str(UUID(int=1)).encode(),
        "ce_source": b"/trialstream",
        "ce_type": b"io.trialstream.time.passed.v1",
        "ce_time": b"2026-01-02T03:04:05.678901+00:00",
        "ce_subject": str(EXPERIMENT).encode(),
        "content-type": b"application/json",
    }


def test_ids_follow_from_causes() -> None:
    first, second = ROOT.consequences([SearchExhausted(), StopRequested()])
    assert (first, second) == ROOT.consequences([SearchExhausted(), StopRequested()])
    assert len({ROOT.id, first.id, second.id}) == 3
    assert (first.cause, first.experiment, first.at) == (ROOT.id, EXPERIMENT, AT)
    assert first.consequences([TimePassed()])[0].id != second.consequences([TimePassed()])[0].id


def test_fields_of_later_versions_are_ignored() -> None:
    assert decode(replace(RECORD, value=b'{"type": "time.passed", "later": [1]}')) == ROOT


def test_a_published_fact_says_where_it_belongs() -> None:
    envelope = replace(ROOT, body=SearchExhausted(), sequence=57, name="bowl", namespace="team")
    record = encode(envelope, topics.EVENTS, Shard(5))
    headers = dict(record.headers)
    assert (headers["ce_experiment"], headers["ce_namespace"]) == (b"bowl", b"team")
    assert headers["ce_sequence"] == b"00000000000000000057"
    assert decode(record) == envelope


def later(record: Record) -> Record:
    """As a later version may write it: each object of the body has a field more."""

    def grown(tree: object) -> object:
        if isinstance(tree, dict):
            return {**{key: grown(value) for key, value in tree.items()}, "later": "x"}
        return [grown(one) for one in tree] if isinstance(tree, list) else tree

    return replace(record, value=json.dumps(grown(json.loads(record.value))).encode())


@pytest.mark.parametrize("body", [one for one in SAMPLES if isinstance(one, ExperimentAdmitted)])
def test_an_older_reader_reads_the_spec_of_a_newer_writer(body: ExperimentAdmitted) -> None:
    envelope = replace(ROOT, body=body)
    read = decode(later(encode(envelope, topics.EVENTS, Shard(0)))).body
    assert isinstance(read, ExperimentAdmitted)
    assert read.spec.parameters == body.spec.parameters
    assert read.spec.objective == body.spec.objective
    assert read.spec.max_trial_count == body.spec.max_trial_count


@pytest.mark.parametrize("body", [one for one in SAMPLES if isinstance(one, ExperimentSubmitted)])
def test_what_people_submit_is_read_strictly(body: ExperimentSubmitted) -> None:
    with pytest.raises(UnreadableRecordError, match="Extra inputs are not permitted"):
        decode(later(encode(replace(ROOT, body=body), topics.SIGNALS, Shard(0))))


def header(name: str, value: bytes | None) -> Record:
    headers = {**dict(RECORD.headers), name: value}
    return replace(
        RECORD, headers=tuple((key, kept) for key, kept in headers.items() if kept is not None)
    )


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (header("ce_type", None), "the header ce_type is missing"),
        (header("ce_id", None), "the header ce_id is missing"),
        (header("ce_subject", None), "the header ce_subject is missing"),
        (header("ce_time", None), "the header ce_time is missing"),
        (header("ce_type", b"io.trialstream.time.passed.v2"),
            "the type 'io.trialstream.time.passed.v2' is not known; "
            "this version reads io.trialstream.*.v1"),
        (header("ce_type", b"io.trialstream.trial.paused.v1"),
            "the header says 'io.trialstream.trial.paused.v1', the body 'time.passed'"),
        (header("ce_id", b"7"), "badly formed hexadecimal UUID string"),
        (header("ce_time", b"noon"), "Invalid isoformat string: 'noon'"),
        (header("ce_time", b"2026-01-02T03:04:05"), "the time 2026-01-02T03:04:05 has no zone"),
        (header("ce_type", b"\xff"),
            "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        (replace(RECORD, value=b"{}"),
            "the body is not valid: Unable to extract tag using discriminator 'type'"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(record: Record, message: str) -> None:
    with pytest.raises(UnreadableRecordError) as error:
        decode(record)
    assert str(error.value) == message


def test_points_need_a_zone() -> None:
    value = (
        b'{"type": "metrics.reported", "trial": 1, "attempt": 1, "points": [["a", 1, '
        b'"2026-01-02T03:04:05", 1]]}'
    )
    record = replace(header("ce_type", b"io.trialstream.metrics.reported.v1"), value=value)
    with pytest.raises(UnreadableRecordError, match="timezone"):
        decode(record)


known = [key for key, _ in RECORD.headers] + ["ce_cause"]
values = st.one_of(st.binary(max_size=40), st.sampled_from([kept for _, kept in RECORD.headers]))
texts = [encode(replace(ROOT, body=body), "t", Shard(0)) for body in SAMPLES]


@given(
    st.lists(st.tuples(st.sampled_from(known) | st.text(max_size=5), values), max_size=10),
    st.one_of(st.binary(max_size=60), st.sampled_from([record.value for record in texts])),
)
def test_any_record_is_read_or_unreadable(headers: list[tuple[str, bytes]], value: bytes) -> None:
    for record in (
        Record("t", 0, b"", tuple(headers), value),
        replace(RECORD, headers=(*RECORD.headers, *headers), value=value),
    ):
        with suppress(UnreadableRecordError):
            decode(record)


@given(st.sampled_from(texts), st.integers(0, 10_000), st.binary(max_size=3), st.integers(0, 3))
def test_any_damage_is_read_or_unreadable(
    record: Record, place: int, inserted: bytes, removed: int
) -> None:
    place %= len(record.value)
    damaged = replace(
        record, value=record.value[:place] + inserted + record.value[place + removed :]
    )
    with suppress(UnreadableRecordError):
        decode(damaged)


@pytest.mark.parametrize(
    "value", [b"[" * 100_000, b'{"type": ' * 10_000, b'{"type":"x","a":' + b"9" * 100_000 + b"}"]
)
def test_extremes_are_unreadable(value: bytes) -> None:
    with pytest.raises(UnreadableRecordError):
        decode(replace(RECORD, value=value))


async def test_send_publishes_to_the_shards_partition() -> None:
    bus = MemoryBus()
    await send(bus, topics.EVENTS, Shard(4), [ROOT, *ROOT.consequences([StopRequested()])])
    async with bus.subscribe(topics.EVENTS, 4, 0) as subscription:
        sent = [decode(delivery.record) for delivery in await subscription.fetch(10, 1)]
    assert sent == [ROOT, *ROOT.consequences([StopRequested()])]


@pytest.mark.parametrize(("durable", "kind"), [(True, Record), (False, UnencodedRecord)])
async def test_what_outlives_the_process_is_sent_as_bytes(
    durable: bool, kind: type[Record]
) -> None:
    bus = MemoryBus()
    bus.durable = durable
    await send(bus, topics.EVENTS, Shard(4), [ROOT])
    async with bus.subscribe(topics.EVENTS, 4, 0) as subscription:
        (delivery,) = await subscription.fetch(10, 1)
    assert type(delivery.record) is kind
