"""What simulated trials do in these tests."""

from controller.cluster.simulated import Answer
from events.spec.space import Assignment
from tests.faults.train import STEPS, curve


def quick(assignment: Assignment) -> Answer:
    """As the real ones, in a fifth of a second."""
    x, y = float(assignment["x"]), float(assignment["y"])
    return Answer([curve(x, y, step) for step in range(1, STEPS + 1)], seconds=0.2)


def endless(assignment: Assignment) -> Answer:
    """It says little, and runs for an hour."""
    return Answer([{"loss": float(assignment["x"])}], seconds=3600)
