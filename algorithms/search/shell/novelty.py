"""No point twice: the set of suggested points, and ways to draw one that is new."""

from collections.abc import Iterable
from hashlib import shake_128
from itertools import count, islice

from algorithms.search.shell.permutation import Permutation
from algorithms.space.dimension import MANTISSA_BITS
from algorithms.space.encoding import Cube
from events.errors import RefusalError
from events.spec.space import Assignment, Scalar

DRAWS_BEFORE_WALK = 30
"""After so many random draws a finite space is walked in order instead; of a continuum a known
point is taken."""
MOST_DRAWS = 100_000
"""How many points are drawn at most to find allowed ones; in a space that passes the check, one in
1,000 is."""


class InfeasibleError(RefusalError, RuntimeError):
    """The constraints allow none of MOST_DRAWS random points."""


class Novelty:
    """The points suggested so far, as a set of 8-byte keys: less than 150 bytes for each."""

    def __init__(self, cube: Cube, seed: int) -> None:
        self._cube = cube
        self._seed = seed
        self._size = cube.size
        self._seen: set[int] = set()
        self._walk = Permutation(self._size or 1, seed)
        self._walked = 0

    @property
    def exhausted(self) -> bool:
        """Has every point of a finite space that the constraints allow been suggested?"""
        if self._size is None:
            return False
        return len(self._seen) >= self._size or (
            bool(self._cube.constraints) and self._next() is None
        )

    def claim(self, assignment: Assignment) -> bool:
        """Mark `assignment` as suggested; False if it was already, or is not of this space."""
        key = self._cube.key(assignment)
        if key is None or key in self._seen:
            return False
        self._seen.add(key)
        return True

    def first(self, drawn: Iterable[dict[str, Scalar]]) -> dict[str, Scalar] | None:
        """Claim the first new point among DRAWS_BEFORE_WALK allowed ones of `drawn`; None if there
        is none.
        """
        allowed = filter(self._cube.allows, islice(drawn, MOST_DRAWS))
        return next(filter(self.claim, islice(allowed, DRAWS_BEFORE_WALK)), None)

    def random(self, index: int) -> dict[str, Scalar] | None:
        """Claim a point drawn by the parameters' distributions, a function of seed, `index` and the
        claimed points.

        None if the space is used up; raises InfeasibleError.
        """
        if self.exhausted:
            return None
        found = self.first(self._draw(index, attempt) for attempt in count())
        if found is not None:
            return found
        return self.walk() if self._size is not None else self._again(index)

    def walk(self) -> dict[str, Scalar] | None:
        """Claim the next unclaimed point in the seed's order of a finite space; None at its end."""
        found = self._next()
        if found is None:
            return None
        key, assignment = found
        self._seen.add(key)
        self._walked += 1
        return assignment

    def _next(self) -> tuple[int, dict[str, Scalar]] | None:
        """The next point of the walk that is allowed and new, and its key; the walk passes each
        place once.
        """
        assert self._size is not None
        while self._walked < self._size and len(self._seen) < self._size:
            assignment = self._cube.at(self._walk[self._walked])
            key = self._cube.key(assignment)
            if key is not None and key not in self._seen:
                return key, assignment
            self._walked += 1
        return None

    def _draw(self, index: int, attempt: int) -> dict[str, Scalar]:
        return self._cube.decode(uniform(f"{self._seed}/{index}/{attempt}", self._cube.width))

    def _again(self, index: int) -> dict[str, Scalar]:
        """A known point once more, in a continuum of which few values can be told apart."""
        drawn = (self._draw(index, attempt) for attempt in range(MOST_DRAWS))
        allowed = list(islice(filter(self._cube.allows, drawn), DRAWS_BEFORE_WALK))
        if not allowed:
            raise InfeasibleError(
                f"of {MOST_DRAWS:,} random points the constraints allow none; loosen them"
            )
        return allowed[-1]


def uniform(text: str, count: int) -> list[float]:
    """`count` numbers in [0, 1) that are a function of `text`, the same on every machine and
    version.
    """
    digest = shake_128(text.encode()).digest(8 * count)
    words = (int.from_bytes(digest[8 * i : 8 * i + 8], "big") for i in range(count))
    return [(word >> 64 - MANTISSA_BITS) / 2**MANTISSA_BITS for word in words]


def seed_from(text: str, limit: int) -> int:
    """A seed from 0 to before `limit` that is a function of `text`, the same on every machine and
    version.
    """
    (u,) = uniform(text, 1)
    return int(u * limit)
