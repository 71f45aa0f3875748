"""The command `python -m benchmarks compare`: two revisions measured in turn on this machine, and
their ratios."""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.bars import BARS
from benchmarks.checkout import Checkout, past, present
from benchmarks.machine import machine
from benchmarks.outcome import CannotMeasureError, say
from benchmarks.ratios import Ratio, compared
from events.clock import now

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "benchmarks" / "reference"
NAMES, PAIRS, GUARD_PAIRS = ("trials", "gap"), 7, 4
LIMIT = 1.15
"""The guard fails where a whole interval lies beyond: a busy machine alone makes intervals wide."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The ratios of one benchmark's figures; whether its code, though it measures the same, has
    another text."""

    name: str
    changed: bool
    ratios: Mapping[str, Ratio]

    def slower(self, limit: float) -> list[str]:
        """The figures whose whole interval lies beyond the limit."""
        return [figure for figure, ratio in self.ratios.items() if ratio.surely_above(limit)]


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 if it was compared, 1 if the guard is sure that something got slower, 2 if
    it cannot be."""
    options = _options(arguments)
    try:
        revision = _reference() if options.guard else options.revision
        with tempfile.TemporaryDirectory(prefix="tsc-", ignore_cleanup_errors=True) as made:
            home, where, at = Path(made), machine(), now()
            old, new = past(ROOT, revision, home), present(ROOT, home)
            _check(old, new, options.names, quick=options.quick)
            say(f"{new.label} beside {old.label}, {options.pairs} pairs of each benchmark")
            found = [_compare(old, new, name, home, options) for name in options.names]
    except CannotMeasureError as error:
        say(str(error))
        return 2
    _show(old, new, found, options)
    if options.json:
        written = {
            "old": old.label, "new": new.label, "at": at.isoformat(timespec="seconds"),
            "machine": where,
            "quick": options.quick, "pairs": options.pairs,
            "figures": {one.name: {figure: asdict(ratio) for figure,
                ratio in one.ratios.items()} for one in found},
        }  # fmt: skip
        options.json.write_text(json.dumps(written, indent=2) + "\n")
    return _judge(found) if options.guard else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks compare", description=__doc__)
    parser.add_argument(
        "revision",
        nargs="?",
        metavar="REV",
        help="the old one; the new one is the working tree; none with --guard",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"benchmarks; {' and '.join(NAMES)} by default"
    )
    parser.add_argument(
        "--pairs",
        type=int,
        metavar="N",
        default=0,
        help=f"{PAIRS} by default, {GUARD_PAIRS} of the guard",
    )
    parser.add_argument("--quick", action="store_true", help="the short versions of the benchmarks")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values here, too")
    parser.add_argument(
        "--guard", action="store_true",
        help=f"quick, against the revision in benchmarks/reference; fails beyond {LIMIT}",
    )  # fmt: skip
    options = parser.parse_intermixed_args(arguments)
    if options.guard and options.revision:
        options.names.insert(0, options.revision)
    elif not options.guard and not options.revision:
        parser.error("name a revision, or let --guard take that of benchmarks/reference")
    if unknown := sorted(set(options.names) - set(BARS)):
        parser.error(f"{', '.join(unknown)}: no such benchmark; there are {', '.join(BARS)}")
    options.names = options.names or list(NAMES)
    options.quick = options.quick or options.guard
    options.pairs = options.pairs or (GUARD_PAIRS if options.guard else PAIRS)
    if options.pairs < 1 + options.guard:
        parser.error(
            "of so few pairs there is no ratio, and of one no interval, without which the "
            "guard never fails"
        )
    return options


def _reference() -> str:
    """The revision that the guard compares with; the reason that stands beside it is said."""
    revision, _, reason = REFERENCE.read_text().partition("\n")
    say(f"benchmarks/reference: {revision}: {' '.join(reason.split())}")
    return revision


def _check(old: Checkout, new: Checkout, names: Sequence[str], *, quick: bool) -> None:
    """CannotMeasureError unless each tree has each benchmark, and both measure the same with it."""
    before, after = old.measures(names), new.measures(names)
    if missing := [name for name in names if name not in before]:
        raise CannotMeasureError(f"{old.label} has no benchmark {', '.join(missing)}")
    if differing := [name for name in names if before[name][quick] != after[name][quick]]:
        raise CannotMeasureError(
            f"by their MEASURES, these measure something else than at {old.label}: "
            f"{', '.join(differing)}; "
            "carry the benchmark back (docs/benchmarks.md says how)"
        )


def _compare(
    old: Checkout, new: Checkout, name: str, home: Path, options: argparse.Namespace
) -> Comparison:
    """Run the benchmark of the old and of the new tree in turn."""
    told: dict[Checkout, list[Mapping[str, float]]] = {old: [], new: []}
    for pair in range(options.pairs):
        for checkout, figures in told.items():
            figures.append(checkout.figures(name, home / "figures.json", quick=options.quick))
            text = ", ".join(f"{figure} {value:.4g}" for figure, value in figures[-1].items())
            say(f"{name}, {pair + 1} of {options.pairs}, {checkout.label}: {text}")
    return Comparison(
        name, old.source(name) != new.source(name), _ratios(name, told[old], told[new])
    )


def _ratios(
    name: str, old: Sequence[Mapping[str, float]], new: Sequence[Mapping[str, float]]
) -> Mapping[str, Ratio]:
    """Of the figures that all runs tell; CannotMeasureError if there are none."""
    ratios: dict[str, Ratio] = {}
    for figure, bar in BARS[name].items():
        if all(figure in one for one in (*old, *new)):
            ratios[figure] = compared(
                [one[figure] for one in old], [one[figure] for one in new], rate=bar.is_rate
            )
        elif any(figure in one for one in (*old, *new)):
            say(f"{name} {figure} is left out: not all runs tell it")
    if not ratios:
        raise CannotMeasureError(f"{name} has no figure that all runs tell")
    return ratios


def _show(
    old: Checkout, new: Checkout, found: Sequence[Comparison], options: argparse.Namespace
) -> None:
    print(
        f"old: {old.label}; new: {new.label}; {options.pairs} "
        f"pairs{', quick' if options.quick else ''}"
    )
    print(
        f"{'medians':30} {'old':>12} {'new':>12} {'ratio':>7}  95 % interval; above 1 is "
        "slower, or more"
    )
    for one in found:
        for figure, ratio in one.ratios.items():
            middle = "-" if ratio.ratio is None else f"{ratio.ratio:.3f}"
            between = "not known" if ratio.low is None else f"{ratio.low:.3f} to {ratio.high:.3f}"
            before, after = ratio.medians
            print(
                f"{one.name + ' ' + figure:30} {before:12,.3f} {after:12,.3f} {middle:>7}  "
                f"{between}"
            )
        if one.changed:
            print(f"{one.name}: its code has changed; MEASURES says that what it measures has not.")


def _judge(found: Sequence[Comparison]) -> int:
    slower = [f"{one.name} {figure}" for one in found for figure in one.slower(LIMIT)]
    print(
        f"SLOWER, surely by more than {LIMIT}: {', '.join(slower)}"
        if slower
        else f"Nothing is surely beyond {LIMIT}."
    )
    return 1 if slower else 0
