"""What simulated trials do in the benchmarks: their one parameter, n, says it."""

from functools import cache
from itertools import count

from controller.cluster.simulated import Answer
from events.spec.space import Assignment

FOR_EVER = 10.0**6
REFERENCES, REFERENCE_STEPS, WORST = 3, 400, 1000.0


def silent(assignment: Assignment) -> Answer:
    """It reports nothing, and never ends."""
    return Answer([], FOR_EVER)


def compared(assignment: Assignment) -> Answer:
    """The first REFERENCES end at once, with losses that fall evenly from WORST; the others are
    silent."""
    if int(assignment["n"]) > REFERENCES:
        return silent(assignment)
    return Answer([{"loss": WORST - step} for step in range(REFERENCE_STEPS)], 0.001)


def short(assignment: Assignment) -> Answer:
    """It ends after a quarter of a second with one value."""
    return Answer([{"loss": 0.5}], 0.25)


_asked = count(1)


@cache
def _turn(n: str) -> int:
    return next(_asked)


def compared_with_the_first(assignment: Assignment) -> Answer:
    """As `compared`, but whichever trials come first are the references."""
    return compared({"n": _turn(str(assignment["n"]))})
