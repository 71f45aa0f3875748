"""An experiment that starts from an earlier one: its rows are taken once, and replayed exactly."""

from uuid import uuid4

import pytest

from algorithms.search import create_search
from algorithms.search.journal import Asked
from controller.core.differences import differences
from controller.flows.admit import DifferentSpecError, check_of, continuation
from controller.flows.intake import Clocks, SignalProcessor
from controller.flows.propose import journal_entries
from controller.store.holding import Holding
from controller.store.journal import Journals
from controller.store.reader import Received
from controller.store.warm_start import UnknownEarlierError
from events import topics
from events.bus import Delivery
from events.clock import now
from events.envelope import Envelope, encode
from events.ids import ExperimentId, Shard
from events.signals import ExperimentSubmitted
from events.spec.document import load
from tests.controller.flows.stage import Stage, Wanted, on_stage

NEVERGRAD = "{algorithmName: nevergrad}"


def warm(name: str, *earlier: str, trials: int = 8, step: float = 0.01) -> Wanted:
    names = ", ".join(earlier)
    return Wanted(
        name,
        trials=trials,
        algorithm=NEVERGRAD,
        extra=f"warmStart: {{experiment: [{names}]}}",
        step=step,
    )


async def test_the_best_results_come_first_and_are_part_of_what_was_admitted(
    database_url: str,
) -> None:
    earlier, later = f"earlier-{uuid4().hex[:8]}", f"later-{uuid4().hex[:8]}"
    async with on_stage(database_url, Wanted(earlier, trials=12)) as stage:
        best = (await stage.run_to_rest()).progress.best
        assert best is not None
        tried = await stage.assignments()
    async with on_stage(database_url, warm(later, earlier)) as stage:
        await goes_on(stage, later, earlier, len(tried))
        assert (await stage.assignments())[0] == tried[best.trial - 1]
    async with on_stage(database_url, warm(f"{later}-b", earlier, step=0.02)) as stage:
        known = stage.admission.experiment.spec.warm_start
        assert known is not None
        assert len(known.rows or ()) == 12  # what does not fit is kept, and explained


async def goes_on(stage: Stage, later: str, earlier: str, rows: int) -> None:
    admitted = stage.admission.experiment
    known = admitted.spec.warm_start
    assert known is not None
    assert known.rows is not None
    values = [row.value for row in known.rows]
    assert values == sorted(values)
    assert len(values) == rows
    done = await stage.run_to_rest()
    assert done.progress.counts.succeeded == 8
    (fact,) = [
        row["data"] for row in await stage.components.database.fetch(
            "SELECT data FROM fact WHERE experiment = $1 AND seq = 1", admitted.identity.id
        )
    ]  # fmt: skip
    assert len(fact["spec"]["warmStart"]["rows"]) == rows
    journal = await Journals(stage.components.database).read(admitted.identity.id)
    assert (len(journal.suggestions), len(journal.conclusions)) == (8, 8)
    asked = [
        entry.assignment
        for entry in journal_entries(done.spec, journal)
        if isinstance(entry, Asked)
    ]
    search = create_search(done.spec, done.identity.seed)
    assert asked[0] == search.ask(1)[0]
    unresolved = load(warm(later, earlier).text.encode()).spec
    assert differences(done.spec, unresolved) == []
    assert len(list(continuation(done, unresolved))) == 1
    with pytest.raises(DifferentSpecError, match="warmStart"):
        list(continuation(done, load(warm(later, "other").text.encode()).spec))


async def test_the_best_of_several_are_mixed(database_url: str) -> None:
    one, two, later = (f"{word}-{uuid4().hex[:8]}" for word in ("one", "two", "later"))
    for name in (one, two):
        async with on_stage(database_url, Wanted(name, trials=5)) as stage:
            await stage.run_to_rest()
    async with on_stage(database_url, warm(later, one, two)) as stage:
        known = stage.admission.experiment.spec.warm_start
        assert known is not None
        assert [row.value for row in known.rows or ()] == sorted(
            2 * [row.value for row in (known.rows or ())[::2]]
        )


async def test_what_is_not_there_is_refused_before_anything_is_admitted(database_url: str) -> None:
    name = f"later-{uuid4().hex[:8]}"
    with pytest.raises(
        UnknownEarlierError, match="there is no experiment 'nobody' in namespace 'default'"
    ):
        async with on_stage(database_url, warm(name, "nobody")):
            pass
    async with on_stage(database_url, Wanted(name, trials=1)) as stage:
        assert stage.admission.new


async def test_a_controller_takes_the_rows_too_and_puts_aside_what_it_cannot_find(
    database_url: str,
) -> None:
    earlier, later = f"earlier-{uuid4().hex[:8]}", f"later-{uuid4().hex[:8]}"
    async with on_stage(database_url, Wanted(earlier, trials=6)) as stage:
        await stage.run_to_rest()
        shard = stage.admission.shard
        epoch = await stage.components.leases.claim(shard)
        assert epoch is not None
        ledger, holding = stage.components.ledger, Holding(shard, epoch)
        check = check_of(lambda _: ())
        processor = SignalProcessor(ledger, holding, check, list, None, Clocks())  # type: ignore[arg-type]
        made = await processor._admit(submitted(warm(later, earlier)))
        assert made is not None
        assert made.spec.warm_start is not None
        assert len(made.spec.warm_start.rows or ()) == 6
        assert await processor._admit(submitted(warm(f"{later}-b", "nobody"))) is None
        (dead,) = processor.dead_letters
        assert "there is no experiment 'nobody' in namespace 'default'" in dead.reason


def submitted(wanted: Wanted) -> Received:
    document = load(wanted.text.encode())
    body = ExperimentSubmitted(name=document.name, namespace="default", spec=document.spec, seed=1)
    envelope = Envelope(uuid4(), None, ExperimentId(uuid4()), now(), body)
    return Received(envelope, Delivery(encode(envelope, topics.SIGNALS, Shard(0)), 0))
