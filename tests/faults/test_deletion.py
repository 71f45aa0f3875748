"""An experiment that is deleted through Kafka leaves nothing, and stays away when everything is
heard again."""

from events import topics
from events.bus.kafka.topics import PARTITIONS
from events.ids import shard_of
from tests.eventually import eventually
from tests.faults.installation import Installation
from tests.faults.stream import Stream

TABLES = ("experiment", "fact", "trial", "measurement", "outbox", "inbox", "mailbox", "dead_letter")
SHARD = shard_of("default", "gone", PARTITIONS)
LOOKS = 2
"""Deleted experiments that upkeep clears until this one is gone: the one before may be among them.
"""
_REMAINING = " + ".join(f"(SELECT count(*) FROM {table})" for table in TABLES)
# What is left of all experiments each time that upkeep has cleared one.
NOTED = f"""
CREATE TABLE look (deletions bigint, remaining bigint);
CREATE FUNCTION note_look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO look SELECT (SELECT count(*) FROM deleted), {_REMAINING};
    RETURN NULL;
END $$;
CREATE TRIGGER note_look AFTER UPDATE ON deleted FOR EACH STATEMENT EXECUTE FUNCTION note_look();
"""


def test_what_was_deleted_leaves_nothing_and_stays_away(place: Installation) -> None:
    place.postgres.execute(NOTED)
    place.open_controller()
    place.submit("gone", trials=50)
    place.holds("count(*) > 0 FROM measurement")
    number = place.postgres.value("SELECT id FROM experiment")
    delete(place, 1)
    assert not (place.data / "experiments" / str(number)).exists()
    assert (
        Stream(place.settings, topics.EVENTS)
        .read()[-1]
        .type.startswith("io.trialstream.experiment.deleted")
    )
    read = heard(place)
    for one in place.controllers:
        one.kill()
    place.postgres.execute("UPDATE position SET next = 0")
    ran = place.runs.read_text()
    place.open_controller()
    place.holds(
        "next >= $2 FROM position WHERE shard = $1 AND topic = $3", SHARD, read, topics.SIGNALS
    )
    place.submit("gone", "sobol", parallel=1, trials=1)
    place.holds("EXISTS (SELECT FROM experiment WHERE id <> $1 AND state = 'Succeeded')", number)
    delete(place, 2)
    assert len(place.runs.read_text().splitlines()) == len(ran.splitlines()) + 1


def heard(place: Installation) -> int:
    """How far the signals of the shard were dealt with, once that is all."""
    stream = Stream(place.settings, topics.SIGNALS)
    stream.read()
    (end,) = [at for partition, at in stream.positions.items() if partition.partition == SHARD]
    place.holds(
        "next >= $2 FROM position WHERE shard = $1 AND topic = $3", SHARD, end, topics.SIGNALS
    )
    return end


def delete(place: Installation, deletions: int) -> None:
    """Delete it: nothing is left after upkeep has looked LOOKS times, however long that takes."""
    place.command("delete", "gone", "--yes")
    looked = "FROM look WHERE deletions = $1"
    place.holds(f"count(*) >= $2 OR bool_or(remaining = 0) {looked}", deletions, LOOKS)
    assert place.postgres.value(f"SELECT bool_or(remaining = 0) {looked}", deletions)
    for table in TABLES:
        assert not place.postgres.rows(f"SELECT FROM {table}")
    eventually(lambda: not place.processes("collectors"), "no collector is left")
    eventually(lambda: not place.processes("train.py"), "no trial is left")
