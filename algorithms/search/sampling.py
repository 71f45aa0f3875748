"""The searches that do not learn: random, grid and Sobol."""

from collections.abc import Iterator
from typing import Any, Protocol

from algorithms.search.outcome import Outcome
from algorithms.search.shell.novelty import Novelty
from algorithms.space.encoding import Cube
from events.spec.space import Assignment, Scalar


class Draw(Protocol):
    """Claim and return the point of suggestion number `index`, from 0; None if the space is used
    up.
    """

    def __call__(self, index: int) -> dict[str, Scalar] | None: ...


class Sampling:
    """A search whose suggestions do not depend on results."""

    def __init__(self, novelty: Novelty, draw: Draw) -> None:
        self._novelty = novelty
        self._draw = draw
        self._count = 0

    def ask(self, count: int) -> list[Assignment]:
        suggestions: list[Assignment] = []
        while len(suggestions) < count and (assignment := self._draw(self._count)) is not None:
            suggestions.append(assignment)
            self._count += 1
        return suggestions

    def tell(self, trial: int, outcome: Outcome) -> None:
        """Nothing to learn."""

    def resume(self, assignment: Assignment) -> bool:
        return self.ask(1) == [assignment]

    def adopt(self, assignment: Assignment) -> None:
        self._novelty.claim(assignment)
        self._count += 1

    def learn(self, assignment: Assignment, outcome: Outcome) -> None:
        """Nothing to learn."""

    @property
    def exhausted(self) -> bool:
        return self._novelty.exhausted


def random_search(cube: Cube, seed: int) -> Sampling:
    """Independent draws by each parameter's distribution (Bergstra and Bengio 2012)."""
    novelty = Novelty(cube, seed)
    return Sampling(novelty, novelty.random)


def grid_search(cube: Cube, seed: int) -> Sampling:
    """Every combination once, in an order shuffled by the seed, in constant memory."""
    novelty = Novelty(cube, seed)
    return Sampling(novelty, lambda index: novelty.walk())


def sobol_search(cube: Cube, seed: int) -> Sampling:
    """The Sobol sequence with Owen's scrambling (Sobol 1967, Owen 1998, Joe and Kuo 2008)."""
    novelty = Novelty(cube, seed)
    return Sampling(novelty, SobolDraw(cube, novelty, seed))


class SobolDraw:
    """Draws the next point of the sequence that is allowed and new, or a random one if there is
    none near.
    """

    def __init__(self, cube: Cube, novelty: Novelty, seed: int) -> None:
        from scipy.stats import qmc  # takes a second

        self._cube = cube
        self._novelty = novelty
        self._points: Any = qmc.Sobol(cube.width, scramble=True, rng=seed)

    def __call__(self, index: int) -> dict[str, Scalar] | None:
        if self._novelty.exhausted:
            return None
        if (
            index > self._points.num_generated
        ):  # adopted suggestions took their points of the sequence
            self._points.fast_forward(index - self._points.num_generated)
        return self._novelty.first(self._rest()) or self._novelty.random(index)

    def _rest(self) -> Iterator[dict[str, Scalar]]:
        while True:
            yield self._cube.decode(self._points.random(1)[0])
