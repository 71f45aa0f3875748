"""Names that are made of quotes and SQL are names: of metrics, experiments, namespaces and
filters; each finds its own and nothing else."""

from typing import Any, cast
from uuid import uuid4

import pytest

from controller.core.evolve import begin
from controller.store.leases import Leases
from controller.store.ledger import Ledger
from controller.store.measurements import Measurements
from controller.store.postgres import Database
from controller.store.queries import Queries
from controller.views.trials import Selection, UnknownOrderError, read_trials
from events.envelope import Envelope
from events.facts import ExperimentAdmitted, TrialState
from events.ids import ExperimentId, TrialNumber
from events.signals import TimePassed
from events.spec.document import load
from events.spec.objective import Direction
from tests.controller.histories import START, Author, assignment, finish, opened, text

NAMES = (
    "x'; DROP TABLE trial; --",
    "' OR '1'='1",
    "\\'; DELETE FROM experiment; --",
    '"; DROP TABLE measurement; /*',
    "$1 :name %s %(name)s {0} $$; SELECT 1; $$",
    "E'\\047 OR true --",
)
TABLES = ("experiment", "fact", "trial", "measurement", "curve", "inbox", "outbox", "mailbox")


async def admitted_as(
    database: Database, leases: Leases, namespace: str, name: str, metric: str
) -> Author:
    """A new experiment of any name, as a record may bring it, which has asked for suggestions."""
    objective = {"type": "minimize", "objectiveMetricName": metric}
    yaml = text("e", trials=10, objective=objective)
    fact = ExperimentAdmitted(name=name, namespace=namespace, spec=load(yaml.encode()).spec, seed=1)
    fresh = begin(ExperimentId(uuid4()), fact)
    envelope = Envelope(uuid4(), None, fresh.identity.id, START, fact)
    shard = await Ledger(database).admit_alone(fresh, envelope)
    assert shard is not None
    epoch = await leases.claim(shard)
    assert epoch is not None
    author = Author(database, fresh, shard, epoch)
    await author.hear(TimePassed())
    return author


async def rows(database: Database, author: Author) -> dict[str, list[Any]]:
    """All that there is of an experiment, by table."""
    key = {"experiment": "id"}
    return {
        table: sorted(
            repr(dict(row))
            for row in await database.fetch(
                f"SELECT * FROM {table} WHERE {key.get(table, 'experiment')} = $1", author.id
            )
        )
        for table in TABLES
    }


@pytest.mark.parametrize("hostile", NAMES)
async def test_a_name_of_sql_finds_its_own_and_changes_nothing_else(
    database_url: str, hostile: str
) -> None:
    unique = uuid4().hex[:8]
    async with opened(database_url) as (database, leases):
        other = await admitted_as(database, leases, f"n{unique}", f"e{unique}", "loss")
        await finish(other, 4)
        before = await rows(database, other)
        mine, name = f"{hostile}{unique}", f"{unique}{hostile}"
        author = await admitted_as(database, leases, mine, name, hostile)
        await author.suggest(*(assignment(number) for number in (1, 2)))
        await author.start(1, 2)
        await author.report(1, [3.0, 2.0], hostile)
        await author.report(1, [9.0], "loss")
        await author.end(1)
        await found_by_name(database, author, (mine, name), hostile)
        await filtered(database, other, f"n{unique}", f"e{unique}", hostile)
        await measured(database, author, hostile)
        await Ledger(database).delete(author.id)
        assert await Ledger(database).find(mine, name) is None
        assert await rows(database, other) == before


async def found_by_name(
    database: Database, author: Author, wanted: tuple[str, str], hostile: str
) -> None:
    """It is listed and found by its whole name, and by nothing else."""
    queries, (namespace, name) = Queries(database).experiments, wanted
    listed = await queries.newest(namespace)
    assert [(one.namespace, one.name) for one in listed] == [wanted]
    assert wanted in await queries.names()
    snapshot = await queries.find(*wanted)
    assert snapshot is not None
    assert snapshot.experiment.identity.id == author.id
    for place in ((hostile, name), (namespace, hostile), (hostile, hostile)):
        assert await queries.find(*place) is None
    assert await queries.newest(hostile) == []


async def filtered(
    database: Database, other: Author, namespace: str, name: str, hostile: str
) -> None:
    """A state or an order of that name selects nothing of another experiment."""
    queries, state = Queries(database), cast(TrialState, hostile)
    assert await queries.trials.first(other.id, 9, [state]) == []
    assert [row async for row in queries.trials.every(other.id, [state])] == []
    assert await queries.trials.ranking(other.id, Direction.MINIMIZE, 9, [state]) == []
    assert await queries.trials.latest(other.id, {state: 9}) == {state: []}
    both = [state, TrialState.SUCCEEDED]
    assert len(await queries.trials.first(other.id, 9, both)) == 4
    snapshot = await queries.experiments.find(namespace, name)
    assert snapshot is not None
    with pytest.raises(UnknownOrderError):
        await read_trials(queries, snapshot, Selection((), hostile, False, 9))


async def measured(database: Database, author: Author, hostile: str) -> None:
    """A metric of that name has its own values, and so has the one beside it."""
    number, queries = TrialNumber(1), Queries(database)
    seen = (await Measurements(database).summaries(author.id, [(number, 1)]))[number]
    assert {metric: (one.count, one.latest) for metric, one in seen.items()} == {
        hostile: (2, 2.0), "loss": (1, 9.0),
    }  # fmt: skip
    last = await queries.curves.last_values(author.id, {number: 1}, hostile)
    assert (last[number].step, last[number].value) == (2, 2.0)
    curves = await queries.curves.thinned(author.id, {number: 1}, hostile, 10)
    assert curves == {number: [(1, 3.0), (2, 2.0)]}
    assert await queries.curves.last_values(author.id, {number: 1}, f"{hostile} ") == {}
    trial = await queries.trials.get(author.id, number)
    assert trial is not None
    assert (trial.value, set(trial.observation)) == (2.0, {hostile, "loss"})
