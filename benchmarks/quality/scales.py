"""Writes scales.json: the best known and the median random loss of each problem; `python -m
benchmarks.quality.scales`.

The best is known from mathematics, or is the least mean of a whole table, or (where the function
cannot tell) the best that a long search finds. The median is that of points drawn as random search
draws them.
"""

import json
from random import Random
from statistics import median

from algorithms.search.shell.novelty import uniform
from algorithms.space.encoding import Cube
from benchmarks.quality.problem import Function
from benchmarks.quality.problems import ROWS, SCALES, Row

POINTS = 4_000
GENERATIONS, SURVIVORS, CHILDREN = 40, 60, 80
"""The sizes of the evolution that looks for the least loss; each child has one parent."""


def median_loss(name: str, function: Function) -> float:
    cube = Cube(function.parameters)
    points = (cube.decode(uniform(f"{name}/{index}", cube.width)) for index in range(POINTS))
    return median(function.true(point) for point in points)


def found_least(name: str, function: Function) -> float:
    """The least true loss that a simple evolution finds: survivors' children have one to three new
    coordinates."""
    cube, random = Cube(function.parameters), Random(name)

    def loss(point: list[float]) -> float:
        return function.true(cube.decode(point))

    def child(parent: list[float]) -> list[float]:
        fresh = random.sample(range(cube.width), random.randint(1, min(3, cube.width)))
        return [random.random() if side in fresh else u for side, u in enumerate(parent)]

    known = {
        tuple(point): loss(point)
        for point in (uniform(f"{name}/{index}", cube.width) for index in range(POINTS))
    }
    for _ in range(GENERATIONS):
        survivors = sorted(known, key=lambda point: known[point])[:SURVIVORS]
        children = [child(list(parent)) for parent in survivors for _ in range(CHILDREN)]
        known = {
            **{one: known[one] for one in survivors},
            **{tuple(one): loss(one) for one in children},
        }
    return min(known.values())


def _scale(row: Row) -> dict[str, float]:
    function = row.make()
    known = function.least if row.best is None else row.best
    best = found_least(row.name, function) if known is None else known
    return {"best": best, "median": round(median_loss(row.name, function), 9)}


if __name__ == "__main__":
    SCALES.write_text(json.dumps({row.name: _scale(row) for row in ROWS}, indent=1) + "\n")
