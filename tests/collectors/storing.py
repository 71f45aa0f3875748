"""What the store makes of points that come in any number of deliveries: each step counts once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from controller.store.curve import Curve
from events.metrics import Point


@dataclass
class Stored:
    """The curves of one attempt, and their points."""

    curves: dict[str, Curve] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)

    def add(self, points: Sequence[Point]) -> None:
        """Store what is new of these."""
        for metric in dict.fromkeys(point.metric for point in points):
            curve = self.curves.setdefault(metric, Curve())
            fresh, _ = curve.take([point for point in points if point.metric == metric])
            self.points += fresh

    def last_steps(self) -> Mapping[str, int]:
        """As Measurements.last_steps."""
        return {metric: curve.last for metric, curve in self.curves.items()}

    def values(self, metric: str = "loss") -> list[tuple[int, float]]:
        """Steps and values of one metric, in order."""
        return [(point.step, point.value) for point in self.points if point.metric == metric]
