"""A controller that gets no more memory says so and ends; whoever starts it again loses nothing."""

import psutil
import pytest

from controller.telemetry import watchdog
from events.memory import EXIT_CODE, MESSAGE
from tests.faults import invariants
from tests.faults.installation import Installation
from tests.memory import deny_memory

FEW, MANY = 20, 150


@pytest.mark.long  # a thread that gets no memory for itself blocks the process for a minute
def test_a_controller_without_memory_ends_and_loses_nothing(place: Installation) -> None:
    """It works at an experiment, and gets another one that needs more."""
    place.variables = {"RUST_BACKTRACE": "0"}
    place.simulate("quick")
    controller = place.open_controller()
    place.submit("running", trials=FEW)
    deny_memory(psutil.Process(controller.process.pid))
    place.send_all(place.document("wide", parallel=MANY, trials=MANY))
    code = controller.process.wait(2 * watchdog.END_SECONDS)
    words = {EXIT_CODE: MESSAGE, watchdog.EXIT_CODE: "the event loop has been blocked"}[code]
    assert words in controller.log.read_text()
    place.open_controller()
    place.holds("count(*) = 2 FROM experiment WHERE concluded_at IS NOT NULL")
    place.holds("NOT EXISTS (SELECT FROM outbox)")
    wanted = {**invariants.CONTINUOUS, **invariants.AT_REST}
    assert place.postgres.ask(lambda database: invariants.violations(database, wanted)) == []
    succeeded = place.postgres.value("SELECT count(*) FROM trial WHERE state = 'Succeeded'")
    assert succeeded == FEW + MANY
