"""`python -m benchmarks compare` in a small repository whose product is one number: its cost."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import compare
from benchmarks.checkout import Checkout, environment, present
from benchmarks.outcome import CannotMeasureError

ROOT = Path(__file__).parents[2]
TRIALS = """
import subprocess, sys
from benchmarks.outcome import Outcome
import controller

def measure(home, *, quick):
    # Processes of ours are started with -P, where the current folder is not looked at.
    words = [sys.executable, "-P", "-c", "import controller; print(controller.COST)"]
    cost = float(subprocess.run(words, cwd="/", check=True, capture_output=True).stdout)
    return Outcome({"trials_per_second": 1000 / cost, "slowdown": controller.COST})
"""
GAP = """
from benchmarks.outcome import Outcome
import controller

def measure(home, *, quick):
    return Outcome({"gap_p50_ms": (1 if quick else 10) * controller.COST})
"""


class Repository:
    """A copy of the benchmarks' own code with two benchmarks of no duration."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for package in ("benchmarks", "events"):
            shutil.copytree(
                ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        self.write("benchmarks/trials.py", TRIALS)
        self.write("benchmarks/gap.py", GAP)
        self.git("init", "-q")
        self.costing(1.0)
        self.first = self.commit()

    def write(self, file: str, text: str) -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def costing(self, cost: float) -> None:
        self.write("controller/__init__.py", f"COST = {cost}\n")

    def commit(self) -> str:
        self.git("add", "--all")
        self.git(
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "state",
        )
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=self.root, check=True, capture_output=True, text=True
        ).stdout

    def compare(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "benchmarks", "compare", *words],
            cwd=self.root, capture_output=True, text=True, check=False,
        )  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def test_each_tree_runs_its_own_code_in_turn(repository: Repository, tmp_path: Path) -> None:
    repository.costing(2.0)
    file = tmp_path / "ratios.json"
    done = repository.compare(repository.first, "--pairs", "2", "--json", str(file))
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(file.read_text())
    assert told["figures"]["trials"]["trials_per_second"]["old"] == [1000, 1000]
    assert told["figures"]["trials"]["trials_per_second"]["new"] == [500, 500]
    assert told["figures"]["gap"]["gap_p50_ms"] == {
        "old": [10, 10], "new": [20, 20], "ratio": pytest.approx(2), "low": pytest.approx(2),
        "high": pytest.approx(2),
    }  # fmt: skip
    assert told["figures"]["trials"]["trials_per_second"]["ratio"] == pytest.approx(2)
    assert told["new"].endswith("with changes")
    lines = [line.split(": ")[0] for line in done.stderr.splitlines()[1:]]
    old, new = told["old"], told["new"]
    assert lines == [
        f"{name}, {pair} of 2, {label}"
        for name in ("trials", "gap")
        for pair in (1, 2)
        for label in (old, new)
    ]
    assert "2.000  2.000 to 2.000" in done.stdout
    assert "MEASURES" not in done.stdout


@pytest.mark.parametrize(("cost", "code"), [(1.1, 0), (1.2, 1)])
def test_the_guard_fails_when_it_is_sure(repository: Repository, cost: float, code: int) -> None:
    repository.write("benchmarks/reference", f"{repository.first}\nIt was\nfast.\n")
    repository.costing(cost)
    repository.commit()
    done = repository.compare("--guard", "gap", "--pairs", "2")
    assert done.returncode == code, done.stderr
    assert ("SLOWER" in done.stdout) == bool(code)
    assert ("gap gap_p50_ms" in done.stdout.splitlines()[-1]) == bool(code)
    assert "It was fast." in done.stderr
    assert "quick" in done.stdout
    assert "trials" not in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a revision"),
        (["HEAD", "trials", "nothing"], "nothing: no such benchmark"),
        (["HEAD", "--pairs", "-1"], "no ratio"),
        (["--guard", "--pairs", "1"], "the guard never fails"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        compare.main(words)
    assert said in capsys.readouterr().err


def test_a_reference_that_this_clone_lacks_does_not_pass(repository: Repository) -> None:
    repository.write("benchmarks/reference", f"{'0' * 40}\nIt is not there.\n")
    done = repository.compare("--guard")
    assert done.returncode == 2
    assert f"this clone has no revision {'0' * 40}" in done.stderr


def without_gap(repository: Repository) -> None:
    (repository.root / "benchmarks" / "gap.py").unlink()


def broken(repository: Repository) -> None:
    repository.write("benchmarks/gap.py", GAP + "raise ValueError('it is broken')")


def nameless(repository: Repository) -> None:
    repository.write("benchmarks/gap.py", GAP.replace("gap_p50_ms", "gap_ms"))


def another_thing(repository: Repository) -> None:
    repository.write("benchmarks/gap.py", GAP + "MEASURES = 2, 1\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_gap, "has no benchmark gap"),
        (broken, "it is broken"),
        (nameless, "gap has no figure that all runs tell"),
        (another_thing, "measure something else than at"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    repository: Repository, change: Callable[[Repository], None], said: str
) -> None:
    change(repository)
    old = repository.commit()
    repository.write("benchmarks/gap.py", GAP)
    done = repository.compare(old, "gap", "--pairs", "1")
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_the_quick_versions_are_compared_where_they_alone_measure_the_same(
    repository: Repository,
) -> None:
    another_thing(repository)
    done = repository.compare(repository.first, "gap", "--pairs", "1", "--quick")
    assert done.returncode == 0, done.stderr


def test_a_benchmark_is_carried_back_by_a_patch_that_changes_nothing_else(
    repository: Repository,
) -> None:
    repository.write(
        "benchmarks/gap.py", GAP.replace("quick else 10", "quick else 100") + "MEASURES = 2, 1\n"
    )
    repository.costing(3.0)
    repository.write(f"benchmarks/carried/{repository.first[:12]}.patch", repository.git("diff"))
    repository.write(f"benchmarks/carried/{'0' * 12}.patch", "of another revision")
    done = repository.compare(repository.first, "gap", "--pairs", "1")
    assert done.returncode == 0, done.stderr
    assert [line.rsplit(" ", 1)[1] for line in done.stderr.splitlines()[1:]] == ["100", "300"]


def test_a_text_that_changed_and_measures_the_same_is_said(repository: Repository) -> None:
    repository.write("benchmarks/gap.py", "# The same.\n" + GAP)
    done = repository.compare(repository.first, "gap", "--pairs", "1")
    assert done.returncode == 0, done.stderr
    assert "gap: its code has changed" in done.stdout
    assert "not known" in done.stdout


def test_a_tree_that_would_run_the_code_of_another_is_refused(
    repository: Repository, tmp_path: Path
) -> None:
    here = present(repository.root, tmp_path)
    assert here.measures(["gap", "trials", "of-tomorrow"]) == {"gap": (1, 1), "trials": (1, 1)}
    other = Checkout("other", repository.root, environment(tmp_path / "other", ROOT))
    with pytest.raises(CannotMeasureError, match="other would not run its own code"):
        other.measures(["gap"])
