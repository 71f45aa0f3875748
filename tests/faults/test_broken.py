"""The invariants can fail: builds that are broken on purpose violate them, where the real one does
not."""

from collections.abc import Sequence

import pytest

from events import topics
from events.bus.kafka.topics import PARTITIONS
from events.ids import shard_of
from events.signals import ExtensionRequested, PauseRequested, ResumeRequested
from tests.faults.installation import Installation
from tests.faults.invariants import (
    every_fact_is_published,
    fact_ids_are_unique,
    facts_stand_in_order,
    no_stale_epoch,
    published_facts,
)
from tests.faults.stream import Stream

REAL = ("-m", "controller.cli")
LEASE_IS_OVER = 15.0
SLOW = """
CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.seq = 20 AND NEW.effect = 'publish'
        AND NEW.experiment = (SELECT id FROM experiment WHERE name = 'slow') THEN
        FOR tenth IN 1..80 LOOP
            EXIT WHEN EXISTS (SELECT FROM fact f JOIN experiment e ON e.id = f.experiment
                              WHERE e.name = 'quick' AND f.seq > 10);
            PERFORM pg_sleep(0.1);
        END LOOP;
        PERFORM pg_sleep(1);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER linger BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION linger();
"""
"""A row of `slow` has its number, and is visible a second after there are rows of `quick` with
larger numbers."""


def simulated(place: Installation, command: Sequence[str], answers: str = "quick") -> None:
    place.program = command
    place.simulate(answers)


def build(fault: str) -> pytest.MarkDecorator:
    """The build with this fault, and the real one."""
    broken = ("-m", "tests.faults.broken", fault)
    return pytest.mark.parametrize(
        ("command", "is_broken"), [(broken, True), (REAL, False)], ids=["broken", "real"]
    )


@build("fence")
def test_without_fencing_a_frozen_owner_writes_after_its_time(
    place: Installation, command: Sequence[str], is_broken: bool
) -> None:
    simulated(place, command)
    first = place.open_controller()
    place.submit("owned", trials=2)
    place.holds("count(*) = 1 FROM experiment WHERE concluded_at IS NOT NULL")
    shard = shard_of("default", "owned", PARTITIONS)
    first.freeze()
    second = place.open_controller()
    place.holds(
        "EXISTS (SELECT FROM ownership WHERE shard = $1 AND epoch = 2)", shard, within=LEASE_IS_OVER
    )
    second.freeze()
    place.ask("owned", ExtensionRequested(max_trial_count=4))
    first.thaw()
    if not is_broken:
        second.thaw()
    place.holds("EXISTS (SELECT FROM fact WHERE type = 'budget.extended')")
    assert bool(place.postgres.ask(no_stale_epoch)) is is_broken


@build("inbox")
def test_without_an_inbox_a_replay_repeats_requests(
    place: Installation, command: Sequence[str], is_broken: bool
) -> None:
    simulated(place, command, "endless")
    controller = place.open_controller()
    place.submit("asked", trials=1000)
    for signal in (PauseRequested(), ResumeRequested()):
        place.ask("asked", signal)
    place.holds("EXISTS (SELECT FROM fact WHERE type = 'experiment.resumed')")
    controller.leave()
    place.postgres.execute("UPDATE position SET next = 0")
    place.open_controller()
    place.ask("asked", ExtensionRequested(max_trial_count=1001))
    place.holds("EXISTS (SELECT FROM fact WHERE type = 'budget.extended')")
    assert bool(place.postgres.ask(fact_ids_are_unique)) is is_broken


@pytest.mark.long  # the storm of every run would lose facts, too
@build("cursor")
def test_an_outbox_that_is_read_by_a_cursor_loses_facts(
    place: Installation, command: Sequence[str], is_broken: bool
) -> None:
    """A number is given when a row is written, not when it becomes visible."""
    place.postgres.execute("ALTER TABLE outbox ADD COLUMN id bigserial")
    place.postgres.execute(SLOW)
    simulated(place, command)
    place.open_controller()
    documents = (place.document(name, trials=8) for name in ("slow", "quick"))
    place.submit_all(*documents)  # together: `slow` waits for `quick` a few seconds only
    place.holds("count(*) = 2 FROM experiment WHERE concluded_at IS NOT NULL")
    place.holds("NOT EXISTS (SELECT FROM outbox)")
    published = place.postgres.ask(published_facts)
    events = Stream(place.settings, topics.EVENTS).read()
    assert bool(every_fact_is_published(published, events)) is is_broken
    assert bool(facts_stand_in_order(events)) is is_broken
