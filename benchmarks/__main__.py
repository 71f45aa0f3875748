"""The command `python -m benchmarks`: run one benchmark in a folder of its own, show its figures
and their bars."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from benchmarks import compare
from benchmarks.bars import BARS
from benchmarks.machine import machine, versions
from benchmarks.outcome import CannotMeasureError, Outcome, say
from events.clock import now

WITH_OPTIONS = ("history", "quality")
"""Benchmarks that read further options themselves."""


def main() -> int:
    """The exit code: 0 if it was measured, whatever the figures, 2 if it cannot be."""
    if sys.argv[1:2] == ["compare"]:
        return compare.main(sys.argv[2:])
    options = _options()
    more = {"arguments": options.arguments} if options.arguments else {}
    at, where = now(), machine()
    say(f"{options.name} on {where['cores']} cores, load average {where['load']}")
    try:
        with temporary() as home:
            outcome: Outcome = import_module(f"benchmarks.{options.name}").measure(
                home, quick=options.quick, **more
            )
    except CannotMeasureError as error:
        say(str(error))
        return 2
    where["load_after"] = round(os.getloadavg()[0], 2)
    _show(options.name, outcome, quick=options.quick)
    if options.json:
        used = versions(outcome.packages)
        postgres = {"postgres": outcome.postgres} if outcome.postgres else {}
        written = {
            "name": options.name,
            "at": at.isoformat(timespec="seconds"),
            "machine": where,
            "versions": {"python": used.pop("python"), **postgres, **used},
            "figures": {name: round(figure, 4) for name, figure in outcome.figures.items()},
        }
        options.json.write_text(json.dumps(written, indent=2) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks",
        description="Measure how fast Trialstream is, and how good its searches are.",
        epilog="quality has more options: docs/quality.md. `compare REV` measures two revisions: "
            "docs/benchmarks.md",
    )  # fmt: skip
    parser.add_argument("name", choices=list(BARS), help="the benchmark")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a short version, to see that it works; bars do not hold",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    options, arguments = parser.parse_known_args()
    options.arguments = arguments
    if options.arguments and options.name not in WITH_OPTIONS:
        parser.error(f"{options.name} has no {options.arguments[0]}")
    return options


@contextmanager
def temporary() -> Iterator[Path]:
    """A folder below the temporary one (TMPDIR chooses the disk) that takes in all that the
    benchmark makes."""
    before = os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory(prefix="tsb-", ignore_cleanup_errors=True) as home:
        tempfile.tempdir = os.environ["TMPDIR"] = home
        try:
            yield Path(home)
        finally:
            tempfile.tempdir = before
            if before is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = before


def _show(name: str, outcome: Outcome, *, quick: bool) -> None:
    for figure, bar in BARS[name].items():
        value = outcome.figures.get(figure)
        if value is None:
            print(f"{figure:20} {'not told':>12}  {bar!s:8}  {'':8} {bar.meaning}")
            continue
        verdict = "" if quick or not str(bar) else "cleared" if bar.cleared_by(value) else "missed"
        print(f"{figure:20} {value:12,.3f}  {bar!s:8}  {verdict:8} {bar.meaning}")


if __name__ == "__main__":
    sys.exit(main())
