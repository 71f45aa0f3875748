"""Records that wait are dealt with fairly, and the position never passes one that still waits."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from controller.store.backlog import MAX_RECORDS, TURN_BYTES, Backlog
from events.bus import Delivery, Record


def delivery(position: int, key: bytes, size: int = 10) -> Delivery:
    return Delivery(Record("t", 0, key, (), bytes(size)), position)


def test_who_has_few_is_served_in_the_first_turn_whatever_another_has() -> None:
    backlog = Backlog()
    backlog.add([delivery(n, b"flood", 5_000) for n in range(2_000)])
    backlog.add([delivery(2_000, b"quiet"), delivery(2_001, b"calm")])
    turn = Counter(one.record.key for one in backlog.take())
    assert turn[b"quiet"] == turn[b"calm"] == 1
    assert 0 < turn[b"flood"] <= TURN_BYTES / 3 / 5_000 + 1


def test_a_record_larger_than_a_turn_is_taken_all_the_same() -> None:
    backlog = Backlog()
    backlog.add([delivery(0, b"a", TURN_BYTES * 2), delivery(1, b"a")])
    assert [one.position for one in backlog.take()] == [0]
    assert [one.position for one in backlog.take()] == [1]


def test_reading_ahead_ends_when_there_is_enough() -> None:
    backlog = Backlog()
    assert backlog.has_room
    backlog.add([delivery(n, b"a", 1) for n in range(MAX_RECORDS)])
    assert not backlog.has_room
    while backlog.waiting:
        backlog.take()
    assert backlog.has_room


@given(
    st.lists(
        st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.integers(1, TURN_BYTES)), max_size=60
    ),
    st.data(),
)
def test_each_record_comes_once_in_the_order_of_its_experiment(
    records: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    backlog, seen, added = Backlog(), list[Delivery](), 0
    while len(seen) < len(records):
        more = data.draw(st.integers(0, len(records) - added))
        backlog.add([delivery(n, *records[n]) for n in range(added, added + more)])
        added += more
        seen += backlog.take()
        missing = set(range(added)) - {one.position for one in seen}
        assert backlog.oldest(added) == min(missing, default=added)
    for key in (b"a", b"b", b"c"):
        mine = [one.position for one in seen if one.record.key == key]
        assert mine == [n for n, (owner, _) in enumerate(records) if owner == key]
