"""No point twice: remembers what was suggested and finds points that were not."""

from hashlib import shake_128

from algorithms.encoding import Cube
from algorithms.search.permutation import Permutation
from events.space import Assignment, Scalar

ATTEMPTS = 30
"""Random draws before a finite space is walked instead; a continuum is then taken as it comes."""
BITS = 53


class Novelty:
    """What was suggested so far: a set of 8-byte keys, under 150 bytes a suggestion."""

    def __init__(self, cube: Cube, seed: int) -> None:
        self._cube = cube
        self._seed = seed
        self._size = cube.size
        self._seen: set[int] = set()
        self._walk = Permutation(self._size or 1, seed)
        self._walked = 0

    @property
    def exhausted(self) -> bool:
        """Has every point of a finite space been suggested?"""
        return self._size is not None and len(self._seen) >= self._size

    def claim(self, assignment: Assignment) -> bool:
        """Mark `assignment` as suggested; False if it was already, or is not of this space."""
        key = self._cube.key(assignment)
        if key is None or key in self._seen:
            return False
        self._seen.add(key)
        return True

    def random(self, index: int) -> dict[str, Scalar] | None:
        """Claim a point drawn by the parameters' distributions, a function of seed, `index` and what is claimed."""
        if self.exhausted:
            return None
        for attempt in range(ATTEMPTS):
            assignment = self._cube.decode(uniform(f"{self._seed}/{index}/{attempt}", self._cube.width))
            if self.claim(assignment):
                return assignment
        return assignment if self._size is None else self.walk()

    def walk(self) -> dict[str, Scalar] | None:
        """Claim the next unclaimed point in the seed's order of a finite space; None at its end."""
        while not self.exhausted:
            assignment = self._cube.at(self._walk[self._walked])
            self._walked += 1
            if self.claim(assignment):
                return assignment
        return None


def uniform(text: str, count: int) -> list[float]:
    """`count` numbers in [0, 1) that are a function of `text`, the same on every machine and version."""
    digest = shake_128(text.encode()).digest(8 * count)
    words = (int.from_bytes(digest[8 * i : 8 * i + 8], "big") for i in range(count))
    return [(word >> 64 - BITS) / 2**BITS for word in words]
