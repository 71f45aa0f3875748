"""Pareto fronts: which points no other point beats, how crowded they are, and the hypervolume that
they dominate."""

from collections.abc import Iterable, Sequence
from math import inf, prod
from typing import TypeVar

Losses = Sequence[float]
"""One for each objective, to be minimised."""
Item = TypeVar("Item")


def covers(one: Losses, other: Losses) -> bool:
    """Whether `one` is at least as good as `other` in every objective."""
    return all(a <= b for a, b in zip(one, other, strict=True))


def front(points: Iterable[tuple[Item, Losses]]) -> list[tuple[Item, Losses]]:
    """The points that no other point covers, in the order of their first loss; of equal points the
    first.

    With two losses it takes O(n log n), with more O(n · size of the front).
    """
    kept: list[tuple[Item, Losses]] = []
    lowest = inf
    for item, losses in sorted(points, key=lambda pair: tuple(pair[1])):
        if len(losses) == 2:
            new = losses[1] < lowest
            lowest = min(lowest, losses[1])
        else:
            new = not any(covers(other, losses) for _, other in kept)
        if new:
            kept.append((item, losses))
    return kept


def crowding(points: Sequence[Losses]) -> list[float]:
    """The crowding distance of each point (Deb et al. 2002).

    It is inf for the first and the last point of an objective. For the others it is the sum of the
    distances between their two neighbours in each objective, as shares of the objective's range.
    """
    distances = [0.0] * len(points)
    for objective in range(len(points[0]) if points else 0):
        order = sorted(range(len(points)), key=lambda place: points[place][objective])
        low, high = points[order[0]][objective], points[order[-1]][objective]
        distances[order[0]] = distances[order[-1]] = inf
        for before, place, after in zip(order, order[1:], order[2:], strict=False):
            gap = points[after][objective] - points[before][objective]
            distances[place] += gap / (high - low) if high > low else 0.0
    return distances


def hypervolume(points: Iterable[Losses], reference: Losses) -> float:
    """The volume between the points and the reference point (Zitzler and Thiele 1998), exact.

    Points that are not better than the reference in every objective add nothing. With two losses it
    takes O(n log n). With more it is the sum of what each point adds to those after it (WFG: While,
    Bradstreet and Barone 2012).
    """
    inside = [
        tuple(one) for one in points if all(a < b for a, b in zip(one, reference, strict=True))
    ]
    return _volume([losses for _, losses in front(enumerate(inside))], reference)


def added(point: Losses, points: Iterable[Losses], reference: Losses) -> float:
    """By how much the hypervolume of `points` grows when `point` joins them."""
    if not all(a < b for a, b in zip(point, reference, strict=True)):
        return 0.0
    cut = [tuple(map(max, point, other)) for other in points]
    own = prod(b - a for a, b in zip(point, reference, strict=True))
    return own - hypervolume(cut, reference)


def _volume(points: Sequence[Losses], reference: Losses) -> float:
    """The hypervolume of a front that is in the order of the first loss."""
    if len(reference) > 2:
        return sum(
            added(point, points[place + 1 :], reference) for place, point in enumerate(points)
        )
    volume, ceiling = 0.0, reference[-1]
    for first, second in points:
        volume += (reference[0] - first) * (ceiling - second)
        ceiling = second
    return volume
