"""Controllers, collectors, brokers and the database are killed and frozen at random, among records
and experiments that are hostile: nothing of the others is lost or done twice."""

import os
import random
import sys
from collections.abc import Iterator

import yaml

from tests.brokers import Brokers
from tests.faults.installation import HOSTILE as HOSTILE_TRIAL
from tests.faults.installation import Installation
from tests.faults.statements import HOSTILE
from tests.faults.storm import CONTROLLERS, Storm, seed
from tests.tiers import LONG

SCALE = float(os.environ.get("FAULT_SCALE", "1" if LONG else "0.2"))
"""Less is a shorter storm."""
DECK = {
    "controller": 125,
    "collector": 50,
    "broker": 15,
    "postgres": 10,
    "zombie": 5,
    "poison": 20,
    "flood": 10,
}
"""200 kills, 40 in the fast tier, and what is none."""
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
HOSTILE_TRIALS = 100
HOSTILES = {
    HOSTILE: [sys.executable, "-S", str(HOSTILE_TRIAL), "{runs}"],
    f"{HOSTILE}-start": [sys.executable, "-c", "pass", "x" * 200_000],
}
"""Experiments whose trials do what they should not, and such as cannot be started."""


def deck(dice: random.Random) -> list[str]:
    cards = [fault for fault, count in DECK.items() for _ in range(max(1, round(count * SCALE)))]
    dice.shuffle(cards)
    return cards


def documents(place: Installation) -> Iterator[str]:
    for name, (algorithm, extra) in EXPERIMENTS.items():
        yield place.document(name, algorithm, extra=extra, trials=12)
    for name, command in HOSTILES.items():
        template = {"command": [word.replace("{runs}", str(place.runs)) for word in command]}
        extra = yaml.safe_dump({"trialTemplate": template, "maxFailedTrialCount": HOSTILE_TRIALS})
        yield place.document(name, extra=extra, parallel=1, trials=HOSTILE_TRIALS)


def test_nothing_is_lost_or_done_twice(place: Installation, one_broker: Brokers) -> None:
    number = seed()
    print(f"\nFAULT_SEED={number}")
    dice = random.Random(number)
    storm = Storm(place, one_broker, dice)
    for _ in range(CONTROLLERS):
        place.open_controller()
    place.submit_all(*documents(place))
    cards = deck(dice)
    for first in range(0, len(cards), ROUND):
        storm.rage(*cards[first : first + ROUND])
    for fault in AFTERWARDS:
        storm.rage(fault)
    storm.calm()
