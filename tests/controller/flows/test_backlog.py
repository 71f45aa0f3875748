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


def test_what_is_held_back_has_no_turn_and_comes_before_what_follows_it() -> None:
    backlog = Backlog()
    backlog.add([delivery(0, b"a"), delivery(1, b"b"), delivery(2, b"a")])
    taken = backlog.take()
    backlog.hold(b"a", [one for one in taken if one.record.key == b"a"])
    backlog.add([delivery(3, b"a"), delivery(4, b"b")])
    assert [one.position for one in backlog.take()] == [4]
    assert not backlog.ready
    assert (backlog.waiting, backlog.oldest(5)) == (3, 0)
    backlog.release(b"a")
    assert backlog.ready
    assert [one.position for one in backlog.take()] == [0, 2, 3]
    assert (backlog.waiting, backlog.oldest(5)) == (0, 5)


def test_what_comes_under_a_foreign_key_is_held_back_in_its_place() -> None:
    """Or the position would pass what waits longer, and the next owner would never read it."""
    backlog = Backlog()
    backlog.add([delivery(0, b"a"), delivery(1, b"a")])
    backlog.hold(b"a", backlog.take())
    backlog.add([delivery(2, b"of a, says its header")])
    backlog.hold(b"a", backlog.take())
    assert backlog.oldest(3) == 0
    backlog.release(b"a")
    assert [one.position for one in backlog.take()] == [0, 1, 2]


def test_what_is_held_back_gives_way_when_others_have_no_room() -> None:
    backlog, few = Backlog(), MAX_RECORDS // 4
    backlog.hold(b"a", [delivery(n, b"a", 1) for n in range(few)])
    backlog.add([delivery(n, b"b", 1) for n in range(few, MAX_RECORDS)])
    assert not backlog.has_room
    assert backlog.overflow() == []
    backlog.take()
    backlog.add([delivery(n, b"a", 1) for n in range(MAX_RECORDS, 2 * MAX_RECORDS)])
    assert not backlog.has_room
    assert [one.position for one in backlog.overflow()][: few + 1] == [*range(few), MAX_RECORDS]
    assert (backlog.has_room, backlog.waiting) == (True, 0)
    backlog.add([delivery(0, b"a")])
    assert not backlog.ready


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
