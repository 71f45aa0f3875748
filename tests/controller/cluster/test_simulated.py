"""The simulated cluster: a trial is a function, asked once."""

from uuid import UUID

from controller.cluster import AttemptKey, Ended, Launch, Started
from controller.cluster.simulated import Answer, SimulatedCluster
from controller.core.experiment import Identity
from events.facts import Cause
from events.ids import ExperimentId, TrialNumber
from events.spec.space import Assignment
from tests.events.bodies import OUR_SPEC

KEY = AttemptKey(ExperimentId(UUID(int=1)), TrialNumber(1), 1)


async def test_the_function_answers_once_also_if_the_attempt_ends_before_it_is_followed() -> None:
    asked: list[Assignment] = []

    def function(assignment: Assignment) -> Answer:
        asked.append(assignment)
        return Answer([{"loss": 0.5}])

    cluster = SimulatedCluster(function)
    launch = Launch(KEY, "bowl", "default", OUR_SPEC, {"x": 0.1})
    assert await cluster.start(launch)
    events = cluster.watch()
    assert isinstance(await anext(events), Started)
    assert isinstance(await anext(events), Ended)
    assert [point.value for point in cluster.follow(launch).finish()] == [0.5]
    assert asked == [{"x": 0.1}]


async def test_what_a_lost_attempt_had_reported_is_known_again() -> None:
    """Its end was known before the controller went away, but not its metrics: they are as they
    were."""
    cluster = SimulatedCluster(lambda _: Answer([{"loss": 0.5}]))
    identity = Identity(KEY.experiment, "bowl", "default", OUR_SPEC, 1)
    await cluster.sweep(identity, {KEY}, lambda _: True)
    assert await anext(cluster.watch()) == Ended(KEY, Cause.LOST, 1)
    launch = Launch(KEY, "bowl", "default", OUR_SPEC, {"x": 0.1})
    assert [point.value for point in cluster.follow(launch).finish()] == [0.5]
