"""A stop that was asked for and lost by a crash is asked for again."""

from uuid import uuid4

import pytest

from events.facts import ExperimentState
from events.ids import ExperimentId
from events.signals import StopRequested
from tests.controller.app.one_controller import endless, installation
from tests.controller.flows.stage import Wanted


async def test_what_was_asked_to_stop_is_asked_again(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster that stops in the background, such as Kubernetes, forgets it when its controller
    dies; nothing is due any more then."""
    monkeypatch.setattr("controller.flows.sweep.COMPARE_SECONDS", 0.05)
    one = ExperimentId(uuid4())
    async with installation(fresh_database_url, one, endless) as here:
        here.faults.failing.add("lose stop")
        await here.submit(Wanted("one", 1), one)
        await here.holds("EXISTS (SELECT FROM trial WHERE state = 'Running')")
        await here.tell(one, StopRequested())
        assert (await here.done("one")).progress.state is ExperimentState.STOPPED
        assert not here.faults.failing, "the stop was not lost"
