"""All problems of the benchmark `quality` by name, in pairs: one of each pair to tune with, one to
report on.

Results are kept by name: a problem that changes needs a new one.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.quality import mixed, synthetic, tables, trainings
from benchmarks.quality.problem import Function, Half, Kind, Problem
from benchmarks.quality.synthetic import on_cube

SCALES = Path(__file__).with_name("scales.json")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table of problems; `best` is the least true loss where it is known exactly."""

    name: str
    kind: Kind
    make: Callable[[], Function]
    best: float | None = None
    half: Half = Half.TUNING


def _halved(*pairs: tuple[Row, Row]) -> tuple[Row, ...]:
    rows = []
    for tuning, reporting in pairs:
        rows += [
            tuning,
            Row(reporting.name, reporting.kind, reporting.make, reporting.best, Half.REPORTING),
        ]
    return tuple(rows)


def _surface(name: str, surface: Callable[[], synthetic.Surface], width: int, best: float) -> Row:
    return Row(name, Kind.SYNTHETIC, lambda: on_cube(surface(), width), best)


def _own(name: str, kind: Kind, make: Callable[[], Function]) -> Row:
    return Row(name, kind, make, mixed.FLOOR)


def _measured(name: str, kind: Kind, make: Callable[[], Function]) -> Row:
    """A row whose least loss is found by a search."""
    return Row(name, kind, make)


PAIRS = _halved(
    (
        _surface("branin2", lambda: synthetic.branin, 2, 0.39788736),
        _surface("camel2", lambda: synthetic.camel, 2, -1.03162845),
    ),
    (
        _surface("hartmann3", lambda: synthetic.hartmann3, 3, -3.86278),
        _surface("hartmann6", lambda: synthetic.hartmann6, 6, -3.32237),
    ),
    (
        _surface("rosenbrock10", lambda: synthetic.log_rosenbrock(10), 10, 0.0),
        _surface("ellipsoid8", lambda: synthetic.ellipsoid(8), 8, 0.0),
    ),
    (
        _surface("levy10", lambda: synthetic.levy(10), 10, 0.0),
        _surface("ackley20", lambda: synthetic.ackley(20), 20, 0.0),
    ),
    (
        _surface("styblinski8", lambda: synthetic.styblinski_tang, 8, -39.16616570),
        _surface("michalewicz5", lambda: synthetic.michalewicz, 5, -4.687658),
    ),
    (
        _surface(
            "branin-in-12", lambda: synthetic.hidden(synthetic.branin, (8, 3)), 12, 0.39788736
        ),
        _surface(
            "hartmann6-in-20",
            lambda: synthetic.hidden(synthetic.hartmann6, (17, 2, 9, 12, 5, 0)),
            20,
            -3.32237,
        ),
    ),
    (_own("network8", Kind.MIXED, mixed.network), _own("boosting10", Kind.MIXED, mixed.boosting)),
    (
        _own("diverging5", Kind.MIXED, lambda: mixed.diverging(5, 0.62, 0.01)),
        _own("diverging9", Kind.MIXED, lambda: mixed.diverging(9, 0.78, 0.02)),
    ),
    (
        _own("ordinal6", Kind.MIXED, lambda: mixed.ordinal(6)),
        _own("ordinal9", Kind.MIXED, lambda: mixed.ordinal(9)),
    ),
    (
        _own("integers7", Kind.MIXED, lambda: mixed.integers(7)),
        _own("integers5", Kind.MIXED, lambda: mixed.integers(5)),
    ),
    (
        _own("optimizer8", Kind.CONDITIONAL, mixed.by_optimizer),
        _own("model10", Kind.CONDITIONAL, mixed.by_model),
    ),
    (
        _own("layers12", Kind.CONDITIONAL, mixed.by_layers),
        _own("schedule9", Kind.CONDITIONAL, mixed.by_schedule),
    ),
    (
        _measured("mlp-car", Kind.MLP, lambda: tables.mlp("car")),
        _measured("mlp-segment", Kind.MLP, lambda: tables.mlp("segment")),
    ),
    (
        _measured("mlp-phoneme", Kind.MLP, lambda: tables.mlp("phoneme")),
        _measured("mlp-kc1", Kind.MLP, lambda: tables.mlp("kc1")),
    ),
    (
        _measured("mlp-grid-australian", Kind.MLP, lambda: tables.mlp_grid("australian")),
        _measured("mlp-grid-vehicle", Kind.MLP, lambda: tables.mlp_grid("vehicle")),
    ),
    (
        _measured("mlp-grid-blood", Kind.MLP, lambda: tables.mlp_grid("blood_transfusion")),
        _measured("mlp-grid-credit", Kind.MLP, lambda: tables.mlp_grid("credit_g")),
    ),
    (
        _measured(
            "regression-protein", Kind.REGRESSION, lambda: tables.regression("protein_structure")
        ),
        _measured(
            "regression-slice", Kind.REGRESSION, lambda: tables.regression("slice_localization")
        ),
    ),
    (
        _measured(
            "regression-naval", Kind.REGRESSION, lambda: tables.regression("naval_propulsion")
        ),
        _measured(
            "regression-parkinsons",
            Kind.REGRESSION,
            lambda: tables.regression("parkinsons_telemonitoring"),
        ),
    ),
    (
        _measured("nas-cifar10", Kind.NAS, lambda: tables.cell("cifar10")),
        _measured("nas-cifar100", Kind.NAS, lambda: tables.cell("cifar100")),
    ),
    (
        _measured("nas-cifar100-latency", Kind.NAS, lambda: tables.cell("cifar100", 1.0)),
        _measured("nas-imagenet", Kind.NAS, lambda: tables.cell("imagenet")),
    ),
    (
        _measured("svm-digits", Kind.TRAINING, lambda: trainings.interpolated("svm-digits")),
        _measured(
            "descent-digits", Kind.TRAINING, lambda: trainings.interpolated("descent-digits")
        ),
    ),
    (
        _measured(
            "boosting-diabetes", Kind.TRAINING, lambda: trainings.interpolated("boosting-diabetes")
        ),
        _measured(
            "neighbours-cancer", Kind.TRAINING, lambda: trainings.interpolated("neighbours-cancer")
        ),
    ),
)
# Deceptive words, and ripples in many dimensions, were in the reporting half alone: early looks at
# it showed that we had nothing to tune them with.
ROWS = (
    *PAIRS,
    _own("pipeline8", Kind.MIXED, mixed.pipeline),
    _own("kernel7", Kind.CONDITIONAL, mixed.by_kernel),
    _surface("levy20", lambda: synthetic.levy(20), 20, 0.0),
    _surface("griewank16", lambda: synthetic.griewank(16), 16, 0.0),
    _surface("rastrigin12", lambda: synthetic.rastrigin(12), 12, 0.0),
    _own("ordinal16", Kind.MIXED, lambda: mixed.ordinal(16)),
)


@cache
def problem(name: str) -> Problem:
    """The problem with its function, ready to use; tables are loaded now."""
    row = next(row for row in ROWS if row.name == name)
    scale = json.loads(SCALES.read_text())[name]
    return Problem(row.name, row.kind, row.half, row.make(), scale["best"], scale["median"])


def chosen(
    names: Sequence[str] = (), kinds: Sequence[Kind] = (), halves: Sequence[Half] = ()
) -> list[Row]:
    """The rows with one of these names, kinds and halves; none given means all."""
    return [
        row
        for row in ROWS
        if (not names or row.name in names)
        and (not kinds or row.kind in kinds)
        and (not halves or row.half in halves)
    ]
