"""The id of a request stands for what it asked for: heard again it changes nothing, and another
request under it is refused."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from controller.store.marks import Mark
from controller.store.outbox import Mailbox
from controller.telemetry.catalogue import REGISTRY
from events import topics
from events.envelope import Envelope
from events.ids import ExperimentId
from events.signals import EditRequested, ExtensionRequested, PauseRequested
from tests.controller.flows.owner import Owner, owning
from tests.controller.histories import START


async def extended(owner: Owner, *limits: int) -> None:
    """Wait until the budget was extended to these, one after the other, and to nothing else."""
    await owner.holds(
        "(SELECT array_agg((data->>'max_trial_count')::int ORDER BY seq) FROM fact "
        "WHERE experiment = $1 AND type = 'budget.extended') = $2::int[]", owner.author.id, limits,
    )  # fmt: skip


@pytest.mark.parametrize("together", [True, False])
async def test_another_request_under_the_id_of_one_that_was_decided_on_is_refused(
    database_url: str, together: bool
) -> None:
    async with owning(database_url, f"e{uuid4().hex[:12]}", trials=6) as owner:
        asked = owner.envelope(ExtensionRequested(max_trial_count=7))
        again = replace(asked, at=START.replace(year=2027))
        others = [
            replace(asked, body=ExtensionRequested(max_trial_count=9)),
            replace(asked, body=PauseRequested()),
        ]
        if together:
            await owner.tell(topics.SIGNALS, asked, again, *others)
        else:
            for one in (asked, again, *others):
                await owner.tell(topics.SIGNALS, one)
                await extended(owner, 7)
        refused = f"the request {asked.id} asked for something else before"
        assert await owner.reasons(2) == [refused, refused]
        await owner.tell(topics.SIGNALS, owner.envelope(ExtensionRequested(max_trial_count=8)))
        await extended(owner, 7, 8)
        assert len(await owner.reasons(2)) == 2


@pytest.mark.parametrize("decided", [True, False])
async def test_another_request_under_the_id_of_one_in_the_mailbox_is_refused(
    database_url: str, decided: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with owning(database_url, f"e{uuid4().hex[:12]}", trials=6) as owner:
        mailbox, request, refused = Mailbox(owner.database), uuid4(), refusals()
        for limit, at in ((7, START), (7, START.replace(year=2027)), (9, START)):
            if decided and limit == 9:
                await owner.tell(topics.SIGNALS, *await mailbox.requests(owner.holding.shard))
                await extended(owner, 7)
            asked = ExtensionRequested(max_trial_count=limit)
            await mailbox.add(request, owner.author.id, at, asked)
        await owner.tell(topics.SIGNALS, *await mailbox.requests(owner.holding.shard))
        await owner.tell(topics.SIGNALS, owner.envelope(ExtensionRequested(max_trial_count=8)))
        await extended(owner, 7, 8)
        assert refusals() == refused + 1
        assert f"the request {request} asked for something else before" in caplog.text
        assert not await mailbox.requests(owner.holding.shard)


async def test_requests_for_two_experiments_may_have_one_id(database_url: str) -> None:
    async with (
        owning(database_url, f"e{uuid4().hex[:12]}", trials=6) as owner,
        owning(database_url, f"e{uuid4().hex[:12]}", trials=6) as other,
    ):
        mailbox, request, refused = Mailbox(owner.database), uuid4(), refusals()
        for one in (owner, other):
            asked = ExtensionRequested(max_trial_count=7)
            await mailbox.add(request, one.author.id, START, asked)
        for one in (owner, other):
            await one.tell(topics.SIGNALS, *await mailbox.requests(one.holding.shard))
            await extended(one, 7)
        assert refusals() == refused


def refusals() -> float:
    """Signals that were put aside, in all tests of this process."""
    return (
        REGISTRY.get_sample_value("trialstream_dead_letters_total", {"topic": topics.SIGNALS})
        or 0.0
    )


async def test_a_request_that_an_earlier_version_decided_on_stays_done(database_url: str) -> None:
    async with owning(database_url, f"e{uuid4().hex[:12]}", trials=6) as owner:
        asked = owner.envelope(ExtensionRequested(max_trial_count=7))
        await owner.database.execute(
            "INSERT INTO inbox (experiment, id) VALUES ($1, $2)", owner.author.id, asked.id
        )
        await owner.tell(topics.SIGNALS, asked)
        await owner.tell(topics.SIGNALS, owner.envelope(ExtensionRequested(max_trial_count=8)))
        await extended(owner, 8)
        assert not await owner.database.fetch(
            "SELECT FROM dead_letter WHERE shard = $1", owner.holding.shard
        )


def test_a_mark_depends_on_what_is_asked_and_on_nothing_else() -> None:
    def asked(body: Any) -> bytes | None:
        return Mark.of(Envelope(uuid4(), None, owner, START, body)).asked

    owner = ExperimentId(uuid4())
    edit = EditRequested(parallel_trial_count=2, max_trial_count=5)
    assert asked(edit) == asked(EditRequested(max_trial_count=5, parallel_trial_count=2))
    kinds = [edit, EditRequested(parallel_trial_count=2), PauseRequested()]
    assert len({asked(one) for one in kinds}) == 3
