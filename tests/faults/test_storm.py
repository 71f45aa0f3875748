"""Controllers, collectors, brokers and the database are killed and frozen at random: nothing is
lost or done twice."""

import os
import random

from tests.brokers import Brokers
from tests.faults.installation import Installation
from tests.faults.storm import CONTROLLERS, Storm, seed
from tests.tiers import LONG

SCALE = float(os.environ.get("FAULT_SCALE", "1" if LONG else "0.2"))
"""Less is a shorter storm."""
DECK = {"controller": 40, "collector": 20, "broker": 5, "postgres": 3, "zombie": 5}
AFTERWARDS = ("replay", "lost_offsets", "truncated")
ROUND = 10
EXPERIMENTS = {
    "random": ("random", ""),
    "grid": ("grid", ""),
    "sobol": ("sobol", ""),
    "nevergrad": ("nevergrad", ""),
    "cma": ("{algorithmName: nevergrad, algorithmSettings: [{name: optimizer, value: CMA}]}", ""),
    "median": (
        "sobol",
        (
            "earlyStopping: {algorithmName: medianstop, algorithmSettings: [{name: "
            "min_trials_required, value: 3}]}"
        ),
    ),
}


def deck(dice: random.Random) -> list[str]:
    cards = [fault for fault, count in DECK.items() for _ in range(max(1, round(count * SCALE)))]
    dice.shuffle(cards)
    return cards


def test_nothing_is_lost_or_done_twice(place: Installation, one_broker: Brokers) -> None:
    number = seed()
    print(f"\nFAULT_SEED={number}")
    dice = random.Random(number)
    storm = Storm(place, one_broker, dice)
    for _ in range(CONTROLLERS):
        place.open_controller()
    for name, (algorithm, extra) in EXPERIMENTS.items():
        place.submit(name, algorithm, extra=extra, trials=12)
    cards = deck(dice)
    for first in range(0, len(cards), ROUND):
        storm.rage(*cards[first : first + ROUND])
    for fault in AFTERWARDS:
        storm.rage(fault)
    storm.calm()
