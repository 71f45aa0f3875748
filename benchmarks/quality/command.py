"""The options of the benchmark `quality`, and the runs that they ask for."""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from algorithms import search
from benchmarks.outcome import CannotMeasureError, say
from benchmarks.quality.contenders import is_peer, missing, version_of
from benchmarks.quality.peers import PEERS
from benchmarks.quality.problem import Half, Kind
from benchmarks.quality.problems import Row, chosen
from benchmarks.quality.results import Key, Result
from benchmarks.quality.runs import Wanted

OURS = tuple(name for name in ("auto", "gp", "nevergrad", "random") if name in search.ALGORITHMS)
CHAMPION = OURS[0]
"""Whom the bars judge: `auto`, or the default as long as there is none."""
SEEDS, TRIALS, WORKERS, PROCESSES = 10, 200, (1, 10), 2
RESULTS = Path("build/quality.jsonl")


@dataclass(frozen=True, slots=True)
class Cap:
    """The most seeds and trials that a slow contender is given."""

    seeds: int
    trials: int

    def __str__(self) -> str:
        return f"{self.seeds}x{self.trials}"


CAPS = {"optuna.gp": Cap(2, 100), "skopt.gp": Cap(1, 100)}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run and shown."""

    contenders: tuple[str, ...]
    versions: dict[str, str]
    rows: tuple[Row, ...]
    workers: tuple[int, ...]
    seeds: int
    trials: int
    caps: dict[str, Cap]
    results: Path
    processes: int
    report_only: bool
    docs: Path | None

    def wanted(self) -> list[Wanted]:
        """Every run, the first seed of all of them first."""
        return [
            Wanted(self.key(contender, row, workers, seed), self.trials_of(contender))
            for seed in range(self.seeds)
            for workers in self.workers
            for row in self.rows
            for contender in self.contenders
            if contender not in self.caps or seed < self.caps[contender].seeds
        ]

    def relevant(self, results: Iterable[Result]) -> list[Result]:
        """Those of the plan's contenders, problems, workers and seeds, whatever their length."""
        names = {row.name for row in self.rows}
        return [
            one
            for one in results
            if self.versions.get(one.key.contender) == one.key.version
            and one.key.problem in names
            and one.key.workers in self.workers
            and one.key.seed < self.seeds
        ]

    def key(self, contender: str, row: Row, workers: int, seed: int) -> Key:
        return Key(contender, self.versions[contender], row.name, workers, seed)

    def trials_of(self, contender: str) -> int:
        return min(self.trials, self.caps[contender].trials) if contender in self.caps else self.trials


def plan(arguments: Sequence[str], *, quick: bool) -> Plan:
    """The plan that the arguments say."""
    options = _parser().parse_args(arguments)
    contenders = tuple(options.contenders or _installed((*OURS, *PEERS), quick=quick))
    absent = {module for name in contenders for module in missing(name)}
    if absent:
        raise CannotMeasureError(f"{', '.join(sorted(absent))} missing: python -m pip install --group bench")
    versions = {name: options.tag if options.tag and not is_peer(name) else version_of(name) for name in contenders}
    rows = chosen(options.problems or (QUICK_PROBLEMS if quick else ()), options.kinds, options.halves)
    seeds, trials = (options.seeds or 2, options.trials or 50) if quick else (
        options.seeds or SEEDS, options.trials or TRIALS
    )  # fmt: skip
    return Plan(
        contenders, versions, tuple(rows), tuple(options.workers), seeds, trials, {**CAPS, **dict(options.cap)},
        options.results, options.processes, options.report_only, options.docs,
    )  # fmt: skip


QUICK_PROBLEMS = ("branin2", "hartmann6", "network8", "model10", "nas-cifar10", "mlp-segment")
SLOW = ("optuna.gp", "skopt.gp")


def _installed(names: Sequence[str], *, quick: bool) -> list[str]:
    """Without those that cannot run here, nor, in a quick run, the slow ones."""
    for name in names:
        if missing(name):
            say(f"{name} is left out: {', '.join(missing(name))} is not installed")
    return [name for name in names if not missing(name) and not (quick and name in SLOW)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks quality")
    for name, meaning in (
        ("contenders", f"our algorithms as NAME:SETTING=VALUE, or {', '.join(PEERS)}"),
        ("problems", "by name; all by default"), ("kinds", ", ".join(Kind)), ("halves", ", ".join(Half)),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=_words, default=[], metavar="A,B", help=meaning)
    parser.add_argument("--workers", type=_numbers, default=list(WORKERS), metavar="1,10", help="trials at a time")
    parser.add_argument("--seeds", type=int, help=f"how many; {SEEDS} by default")
    parser.add_argument("--trials", type=int, help=f"of each run; {TRIALS} by default")
    parser.add_argument(
        "--cap", type=_cap, action="append", default=[], metavar="NAME=SEEDSxTRIALS",
        help="the most that a slow contender is given; by default "
        + ", ".join(f"{name}={cap}" for name, cap in CAPS.items()),
    )  # fmt: skip
    parser.add_argument("--tag", help="the version of our contenders; a digest of algorithms/ by default")
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"file of runs made before; {RESULTS} by default")
    parser.add_argument("--processes", type=int, default=PROCESSES, help=f"at a time; {PROCESSES} by default")
    parser.add_argument("--report-only", action="store_true", help="make no run; show those that are there")
    parser.add_argument("--docs", type=Path, metavar="FOLDER", help="write quality.md and its plots into this folder")
    return parser


def _words(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def _cap(text: str) -> tuple[str, Cap]:
    name, _, most = text.rpartition("=")
    seeds, trials = most.split("x")
    return name, Cap(int(seeds), int(trials))
