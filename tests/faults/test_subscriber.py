"""A subscriber that is killed and resumed twenty times, at controllers that are killed, too."""

import random

from tests.faults.installation import Installation
from tests.trialstream.lives import events_of, live

KILLS, CONTROLLER_DIES = 20, 5
TRIALS = 150


def test_a_subscriber_of_running_controllers_has_every_event_once_and_in_order(
    place: Installation,
) -> None:
    dice, lines = random.Random(4), list[str]()
    place.simulate("quick")
    for _ in range(2):
        place.open_controller()
    place.submit("followed", trials=TRIALS)
    for life in range(1, KILLS + 1):
        most = dice.randint(1, 40)
        live(place.settings, "followed", lines, lambda new, most=most: len(new) >= most)  # type: ignore[misc]
        if life % CONTROLLER_DIES == 0:
            place.controllers[-2].kill()
            place.open_controller()
    place.holds("count(*) = 1 FROM experiment WHERE concluded_at IS NOT NULL")
    rows = place.postgres.rows("SELECT id, seq FROM fact ORDER BY seq")
    last = str(rows[-1]["seq"])
    live(place.settings, "followed", lines, lambda new: bool(new) and new[-1].split()[2] == last)
    assert len(rows) > KILLS * 40
    assert list(dict.fromkeys(events_of(lines))) == [(row["id"], row["seq"]) for row in rows]
