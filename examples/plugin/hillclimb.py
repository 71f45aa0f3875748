"""A plugin: a class with two methods, and optional settings."""

from random import Random

from pydantic import BaseModel, Field

from trialstream.plugins import Assignment, Scalar, Space


class HillClimb:
    """Steps at random from the best point so far, shorter the more steps brought nothing."""

    class Settings(BaseModel):
        step: float = Field(
            default=0.3, gt=0, le=1, description="first step, a share of each parameter's range"
        )

    def __init__(self, space: Space, seed: int, settings: Settings) -> None:
        self.space, self.random, self.step = space, Random(seed), settings.step
        self.best: tuple[float, list[float]] | None = None

    def ask(self) -> dict[str, Scalar]:
        if self.best is None:
            return self.space.decode([self.random.random() for _ in range(self.space.width)])
        point = [min(max(u + self.random.gauss(0, self.step), 0.0), 1.0) for u in self.best[1]]
        return self.space.decode(point)

    def tell(self, assignment: Assignment, loss: float) -> None:
        point = self.space.encode(assignment)
        if point is not None and (self.best is None or loss < self.best[0]):
            self.best = loss, point
        else:
            self.step = max(self.step * 0.95, 0.01)
