"""One run of pytest in a process of its own, and what came of it."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

FAILED = 1
"""What pytest ends with when tests failed; a higher number means that the run as a whole went wrong."""
CACHE = Path(".pytest_cache/v/cache/lastfailed")


@dataclass(frozen=True)
class Run:
    """How a run ended: the exit status, what failed by name, and how many passed and were skipped, and why."""

    code: int
    failed: frozenset[str] = frozenset()
    passed: int = 0
    skipped: Mapping[str, int] | None = None


def run_tests(*arguments: str, environment: Mapping[str, str] | None = None) -> Run:
    """Run pytest in the current folder as a person would, its output included."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", f"--junit-xml={report}", *arguments]
        code = subprocess.run(command, check=False, env=environment).returncode
        if code > FAILED or not report.exists():
            return Run(code or FAILED + 1)
        failed = frozenset(json.loads(CACHE.read_text())) if code == FAILED else frozenset()
        return Run(code, failed, *_counts(report))


def _counts(report: Path) -> tuple[int, dict[str, int]]:
    """How many tests passed, and the reasons of those that were skipped with their numbers."""
    passed, skipped = 0, Counter[str]()
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        outcomes = {child.tag: child for child in case}
        if "skipped" in outcomes:
            skipped[outcomes["skipped"].get("message", "")] += 1
        elif not outcomes.keys() & {"failure", "error"}:
            passed += 1
    return passed, dict(skipped.most_common())
