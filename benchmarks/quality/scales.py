"""Writes scales.json: the best known and the median random loss of each problem; `python -m benchmarks.quality.scales`.

The best is known from mathematics, or is the least mean of a whole table, or (where the function cannot tell) the best
of many random points, improved one parameter at a time. The median is that of points drawn as random search draws them.
"""

import json
from statistics import median

from algorithms.encoding import Cube
from algorithms.search.novelty import uniform
from benchmarks.quality.problem import Function
from benchmarks.quality.problems import ROWS, SCALES, Row

POINTS, SEARCHED = 4_000, 20_000
STARTS, ROUNDS, STEPS = 30, 6, 40
"""Of the improvement: from how many points, how often over all parameters, how many values of each."""


def median_loss(name: str, function: Function) -> float:
    cube = Cube(function.parameters)
    points = (cube.decode(uniform(f"{name}/{index}", cube.width)) for index in range(POINTS))
    return median(function.true(point) for point in points)


def found_least(name: str, function: Function) -> float:
    cube = Cube(function.parameters)

    def loss(point: list[float]) -> float:
        return function.true(cube.decode(point))

    points = sorted((uniform(f"{name}/least/{index}", cube.width) for index in range(SEARCHED)), key=loss)[:STARTS]
    for _ in range(ROUNDS):
        for side in range(cube.width):
            steps = [(step + 0.5) / STEPS for step in range(STEPS)]
            points = [
                min((point, *([*point[:side], u, *point[side + 1 :]] for u in steps)), key=loss) for point in points
            ]
    return min(map(loss, points))


def _scale(row: Row) -> dict[str, float]:
    function = row.make()
    known = function.least if row.best is None else row.best
    best = found_least(row.name, function) if known is None else known
    return {"best": best, "median": round(median_loss(row.name, function), 9)}


if __name__ == "__main__":
    SCALES.write_text(json.dumps({row.name: _scale(row) for row in ROWS}, indent=1) + "\n")
