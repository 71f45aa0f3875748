"""One run of pytest in a process of its own, and what came of it."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

FAILED = 1
"""What pytest ends with when tests failed; a higher number means that the run as a whole went
wrong."""


@dataclass(frozen=True)
class Run:
    """How a run ended: the exit status, what failed by name, and how many passed and were skipped,
    and why."""

    code: int
    failed: frozenset[str] = frozenset()
    passed: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)


def run_tests(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Run:
    """Run pytest as a person would, its output included; in `folder` it remembers what failed, for
    another run."""
    report, last_failed = folder / "report.xml", folder / "cache" / "v" / "cache" / "lastfailed"
    command = [
        sys.executable,
        "-m",
        "pytest",
        f"--junit-xml={report}",
        "-o",
        f"cache_dir={folder / 'cache'}",
    ]
    code = subprocess.run([*command, *arguments], check=False, env=environment).returncode
    if code > FAILED or not report.exists():
        return Run(code or FAILED + 1)
    failed = frozenset(json.loads(last_failed.read_text())) if code == FAILED else frozenset()
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
