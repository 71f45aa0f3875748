"""Writes scales.json: the best known and the median random loss of each problem; `python -m benchmarks.quality.scales`.

The best is known from mathematics, or is the least mean of a whole table. The median is that of points drawn as
random search draws them.
"""

import json
from statistics import median

from algorithms.encoding import Cube
from algorithms.search.novelty import uniform
from benchmarks.quality.problem import Function
from benchmarks.quality.problems import ROWS, SCALES, Row

POINTS = 4_000


def median_loss(name: str, function: Function) -> float:
    cube = Cube(function.parameters)
    points = (cube.decode(uniform(f"{name}/{index}", cube.width)) for index in range(POINTS))
    return median(function.true(point) for point in points)


def _scale(row: Row) -> dict[str, float]:
    function = row.make()
    best = function.least if row.best is None else row.best
    assert best is not None
    return {"best": best, "median": round(median_loss(row.name, function), 9)}


if __name__ == "__main__":
    SCALES.write_text(json.dumps({row.name: _scale(row) for row in ROWS}, indent=1) + "\n")
