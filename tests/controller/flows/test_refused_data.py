"""What Postgres cannot hold is one record's fault: it is put aside, the others are decided on and
stored."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest

from controller.core.experiment import Experiment
from controller.store import DataRefusedError
from controller.store.dead_letters import DeadLetters
from controller.store.ledger import Batch, Ledger
from controller.store.marks import Mark
from controller.store.measurements import Measurements
from controller.store.positions import Move
from events import topics
from events.bus import Record
from events.clock import now
from events.facts import BudgetExtended, Cause
from events.ids import AttemptKey, ExperimentId, Shard, TrialNumber
from events.metrics import MetricsReported, Point
from events.signals import (
    ExperimentSubmitted,
    ExtensionRequested,
    SuggestionsMade,
    WorkloadEnded,
    WorkloadStarted,
)
from tests.controller.flows.owner import owning
from tests.controller.histories import admitted, assignment, opened, text
from tests.experiments import experiment_spec

ONE = TrialNumber(1)
UNHOLDABLE: list[tuple[str, Any]] = [
    ("metric", "lo\0ss"), ("metric", "lo\ud800ss"), ("metric", "x" * 1_000_000),
    ("step", 2**31), ("trial", 2**31), ("attempt", -(2**40)), ("step", 2**80),
    ("at", "noon"),
]  # fmt: skip


FIRST_DAY = datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))
"""Its time in UTC is before the calendar begins, so no driver can send it."""


def a_name() -> str:
    return f"e{uuid4().hex[:12]}"


@pytest.mark.parametrize(("field", "value"), UNHOLDABLE)
async def test_a_value_that_cannot_be_stored_is_no_outage(
    database_url: str, field: str, value: Any
) -> None:
    async with opened(database_url) as (database, leases):
        author = await admitted(database, leases, text(a_name()))
        usual = {"metric": "loss", "step": 1, "at": now(), "value": 1.0, "trial": ONE, "attempt": 1}
        fields = {**usual, field: value}
        key = AttemptKey(author.id, fields.pop("trial"), fields.pop("attempt"))
        report = key, [Point(**fields)]
        with pytest.raises(DataRefusedError, match="the database cannot hold it"):
            await Measurements(database).store(author._shard, author._epoch, [report])


async def test_a_fact_that_cannot_be_stored_is_no_outage(database_url: str) -> None:
    async with opened(database_url) as (database, leases):
        author = await admitted(database, leases, text(a_name()))
        old, author.at = author.experiment, FIRST_DAY
        with pytest.raises(DataRefusedError):
            await author.suggest(assignment(1))
        marks: Any = [Mark(2**80, None)]  # type: ignore[arg-type]
        with pytest.raises(DataRefusedError):
            await author._ledger.commit(
                author._shard, author._epoch, Batch(old, old, (), marks=marks)
            )


async def test_a_signal_that_cannot_be_stored_is_put_aside_and_the_others_are_decided_on(
    database_url: str,
) -> None:
    async with owning(database_url, a_name(), trials=6, parallel=3) as owner:
        await owner.author.suggest(*(assignment(number) for number in (1, 2, 3)))
        owner.holding.experiments[owner.author.id] = owner.author.experiment
        started = [WorkloadStarted(trial=TrialNumber(number), attempt=1) for number in (1, 2, 3)]
        ended = WorkloadEnded(trial=ONE, attempt=1, cause=Cause.ERROR, exit_code=1)
        await owner.tell(
            topics.SIGNALS,
            owner.envelope(started[0]),
            owner.envelope(started[1]),
            owner.envelope(ended, FIRST_DAY),
            owner.envelope(ExtensionRequested(max_trial_count=7)),
            owner.envelope(ExtensionRequested.model_construct(max_trial_count=2**70)),
            owner.envelope(started[2]),
            owner.envelope(ExtensionRequested(max_trial_count=8)),
        )
        reasons = await owner.reasons(2)
        assert len(reasons) == 2
        assert "cannot hold it" in reasons[0]
        assert "no decision" in reasons[1]  # its fact cannot be made
        for trial in (1, 2, 3):
            await owner.holds(
                "EXISTS (SELECT FROM trial WHERE experiment = $1 AND number = $2 "
                "AND state = 'Running')", owner.author.id, trial,
            )  # fmt: skip
        await owner.holds(
            "(SELECT array_agg((data->>'max_trial_count')::int ORDER BY seq) FROM fact "
            "WHERE experiment = $1 AND type = 'budget.extended') = '{7,8}'", owner.author.id,
        )  # fmt: skip


async def test_a_submission_that_cannot_be_stored_is_put_aside_and_the_next_one_counts(
    database_url: str,
) -> None:
    async with owning(database_url, a_name()) as owner:
        new, name = ExperimentId(uuid4()), a_name()
        good = ExperimentSubmitted(
            name=name, namespace="default", spec=experiment_spec(name, seed=1), seed=1
        )
        await owner.tell(
            topics.SIGNALS,
            owner.envelope(good.model_copy(update={"seed": 2**70}), experiment=new),
            owner.envelope(good, experiment=new),
        )
        (reason,) = await owner.reasons(1)
        assert "no decision" in reason
        await owner.holds("EXISTS (SELECT FROM experiment WHERE id = $1 AND name = $2)", new, name)


async def test_points_that_cannot_be_stored_are_put_aside_and_the_others_are_kept(
    database_url: str,
) -> None:
    async with owning(database_url, a_name()) as owner:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        bodies = [
            MetricsReported.model_construct(
                trial=ONE,
                attempt=1,
                points=(
                    Point("loss", step, at, 0.5),
                    Point("lo\0ss" if step in (3, 8) else "acc", step, at, 0.5),
                ),
            )
            for step in range(1, 10)
        ]
        await owner.tell(topics.METRICS, *map(owner.envelope, bodies))
        assert len(await owner.reasons(2)) == 2
        await owner.holds(
            "(SELECT array_agg(step ORDER BY step) FROM measurement WHERE experiment = $1 "
            "AND metric = 'loss') = '{1,2,4,5,6,7,9}'", owner.author.id,
        )  # fmt: skip


async def test_a_refused_answer_of_a_search_holds_up_nothing(database_url: str) -> None:
    async with owning(database_url, a_name()) as owner:
        request = owner.author.experiment.progress.request
        assert request is not None
        bad = SuggestionsMade.model_construct(
            request=request.number, assignments=({"lr": 2**70},), told=0, exhausted=False
        )
        good = bad.model_copy(update={"assignments": (assignment(1),)})
        await owner.tell(topics.SIGNALS, owner.envelope(bad), owner.envelope(good))
        (reason,) = await owner.reasons(1)
        assert "no decision" in reason
        await owner.holds("EXISTS (SELECT FROM trial WHERE experiment = $1)", owner.author.id)


async def test_a_dead_letter_can_always_be_stored(database_url: str) -> None:
    """Its headers and its reason may be what nobody can store."""
    async with owning(database_url, a_name()) as owner:
        headers = (("\0", b"\0"), ("\ud800", b"\xff"), ("ce_type", b"\0io.trialstream"))
        record = Record(topics.SIGNALS, owner.holding.shard, b"\0\xff", headers, b"\0\xff")
        await owner.publish(topics.SIGNALS, record)
        await owner.reasons(1)
        (kept,) = await DeadLetters(owner.database).unpublished(owner.holding.shard, 9)
        assert [name for name, _ in kept.record.headers] == ["\ufffd", "?", "ce_type"]
        assert kept.record.value == record.value


class FaultyLedger(Ledger):
    """Fails for reasons of one experiment or one fact."""

    ended = ExperimentId(uuid4())

    async def get(self, experiment: ExperimentId) -> tuple[Experiment, Shard] | None:
        if experiment == self.ended:
            raise KeyError("a field of its own")
        return await super().get(experiment)

    async def commit(
        self, shard: Shard, epoch: int, batch: Batch, move: Move | None = None
    ) -> None:
        facts = [one.fact for one in batch.recorded]
        if any(isinstance(one, BudgetExtended) and one.max_trial_count == 7 for one in facts):
            raise KeyError("a fact of its own")
        await super().commit(shard, epoch, batch, move)


async def test_what_fails_for_one_experiment_is_put_aside_and_the_others_are_decided_on(
    database_url: str,
) -> None:
    async with owning(database_url, a_name(), FaultyLedger, trials=6, parallel=3) as owner:
        await owner.tell(
            topics.SIGNALS,
            owner.envelope(ExtensionRequested(max_trial_count=9), experiment=FaultyLedger.ended),
            owner.envelope(ExtensionRequested(max_trial_count=7)),
            owner.envelope(ExtensionRequested(max_trial_count=8)),
        )
        reasons = await owner.reasons(2)
        assert ["of its own" in reason for reason in reasons] == [True, True]
        await owner.holds(
            "(SELECT array_agg((data->>'max_trial_count')::int) FROM fact "
            "WHERE experiment = $1 AND type = 'budget.extended') = '{8}'", owner.author.id,
        )  # fmt: skip
        assert list(owner.holding.quarantine.cases) == [owner.author.id]
