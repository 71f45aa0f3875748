"""How much each parameter matters is said once there are enough trials."""

import pytest

from controller.store.queries import Queries
from controller.views.importance import FEWEST, Importance, importance
from tests.controller.histories import admitted, finish, opened, text


async def estimated(url: str, trials: int) -> Importance | None:
    async with opened(url) as (database, leases):
        author = await admitted(database, leases, text(f"matters-{trials}", trials=trials))
        await finish(author, trials)
        rows = await Queries(database).trials.first(author.id, trials)
        return importance(author.experiment.spec.parameters, rows)


async def test_too_few_trials_say_nothing(database_url: str) -> None:
    assert await estimated(database_url, FEWEST - 1) is None


async def test_it_finds_what_matters(database_url: str) -> None:
    result = await estimated(database_url, 60)
    assert result is not None
    assert [name for name, _ in result.shares][-1] == "layers"
    assert result.trials == 60
    assert sum(share for _, share in result.shares) == pytest.approx(1)
