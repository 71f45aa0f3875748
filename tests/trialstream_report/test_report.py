"""What a program reports arrives as it is, from any thread and process, and never harms it."""

import ast
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trialstream
import trialstream_report
from events.spec.collector import REPORT_FILE
from tests.conftest import MEASURED
from tests.empty import python
from tests.tiers import tiered
from tests.trialstream_report.programs import (
    ROOT,
    lines_of,
    points_of,
    pushed,
    ran,
    running,
    values_of,
)
from trialstream_report import ReportError, report

ONE = "from trialstream_report import report; report(loss=0.5)"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a trial that this process is."""
    monkeypatch.setenv(REPORT_FILE, str(tmp_path / "reports"))
    return tmp_path / "reports"


def test_a_report_arrives_with_its_time_and_each_metric(file: Path) -> None:
    report(step=3, loss=0.5, accuracy=0.25)
    report({"val/loss": 2}, loss=0.125)
    metrics = ("loss", "accuracy", "val/loss")
    found = points_of(file, metrics)
    assert [(one.metric, one.step, one.value) for one in found] == [
        ("loss", 1, 0.5), ("accuracy", 1, 0.25), ("loss", 2, 0.125), ("val/loss", 1, 2.0),
    ]  # fmt: skip
    assert abs(found[0].at.timestamp() - time.time()) < 60
    assert [line.get("step") for line in lines_of(file)] == [3, None]


def test_what_json_cannot_hold_arrives_as_what_it_is(file: Path) -> None:
    for value in (math.nan, math.inf, -math.inf, 5e-324, -0.0, 0.1 + 0.2, 10**300):
        report(loss=value)
    expected = [math.nan, math.inf, -math.inf, 5e-324, -0.0, 0.1 + 0.2, 1e300]
    assert repr(values_of(file)) == repr(expected)
    assert len(lines_of(file)) == len(expected)


@pytest.mark.parametrize(
    "value", [np.float32(0.5), np.float64(0.5), np.array(0.5), np.float16(0.5), Decimal("0.5")]
)
def test_a_number_is_what_float_takes(file: Path, value: Any) -> None:
    report(loss=value, step=np.int64(4))
    assert values_of(file) == [0.5]
    assert lines_of(file)[0]["step"] == 4


class Evil:
    def __float__(self) -> float:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "value", ["0.5", b"0.5", None, [0.5], 0.5j, np.array([1, 2]), 10**400, Evil()]
)
def test_no_number_is_refused_and_the_rest_arrives(file: Path, value: Any) -> None:
    with pytest.raises(ReportError, match=r"^accuracy is not reported: a \w+ is no number$"):
        report(loss=0.5, accuracy=value, strict=True)
    report(loss=0.25, accuracy=value)
    assert values_of(file) == [0.5, 0.25]
    assert all("accuracy" not in line for line in lines_of(file))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"metrics": {"step": 1}}, "'step' is no name"),
        ({"metrics": {"timestamp": 1}}, "'timestamp' is no name"),
        ({"metrics": {7: 1}}, "7 is no name"),
        ({"step": 0.5}, "step is left out: a float is no whole number"),
        ({"metrics": 5}, "nothing is reported: TypeError"),
        ({"metrics": {f"m{n}": n for n in range(9000)}}, "9000 metrics are too many at once"),
    ],
)
def test_a_wrong_call_is_said(file: Path, call: dict[str, Any], said: str) -> None:
    metrics = call.pop("metrics", {"loss": 1})
    with pytest.raises(ReportError, match=said):
        report(metrics, **call, strict=True)


def test_it_is_said_once_on_standard_error(tmp_path: Path) -> None:
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "from trialstream_report import report\n"
        "for n in range(50): report(loss=n, name='text', other=None, step='x')\n"
        "for n in range(50): report({f'm{n}': 'text'})"
    )
    said = pushed(code, tmp_path / "reports").splitlines()
    assert said[:3] == [
        "trialstream_report: name is not reported: a str is no number",
        "trialstream_report: other is not reported: a NoneType is no number",
        "trialstream_report: step is left out: a str is no whole number",
    ]
    assert len(said) == trialstream_report.MOST_SAID
    assert values_of(tmp_path / "reports") == list(range(50))


def test_where_no_trial_runs_it_does_nothing_and_says_so_once(tmp_path: Path) -> None:
    code = f"import os; os.chdir({str(tmp_path)!r})\n{ONE}\nreport(loss=1, strict=True)"
    assert ran(code) == "trialstream_report: no trial runs here, so nothing is reported\n"
    assert list(tmp_path.iterdir()) == []


def test_a_trial_that_is_collected_otherwise_is_told_how_to_push() -> None:
    said = ran(f"{ONE}; report(loss=1)", TRIALSTREAM_TRIAL="exp-1")
    assert said.count("\n") == 1
    assert "metricsCollectorSpec: {collector: {kind: Push}}" in said


@pytest.mark.parametrize("place", ["/dev/full", "/nowhere/reports", "/"])
def test_a_file_that_cannot_be_written_ends_no_training(place: str) -> None:
    said = pushed(f"{ONE}; report(loss=1)", Path(place))
    assert said.startswith("trialstream_report: nothing is reported: ")
    assert said.count("\n") == 1


def test_nor_does_a_pipe_that_nobody_reads(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "nothing is reported" in pushed(ONE, tmp_path / "pipe")


def test_nor_a_closed_standard_error(tmp_path: Path) -> None:
    for closed in ("sys.stderr.close()", "sys.stderr = None"):
        pushed(f"import sys; {closed}; {ONE}; report(loss='x')", tmp_path / "reports")
    assert values_of(tmp_path / "reports") == [0.5, 0.5]


@pytest.mark.parametrize("name", trialstream_report.RANKS)
def test_the_first_process_alone_reports(tmp_path: Path, name: str) -> None:
    for rank in ("1", "0", "-1", "", "none"):
        assert pushed(ONE, tmp_path / f"rank{rank}", **{name: rank}) == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "rank",
        "rank-1",
        "rank0",
        "ranknone",
    ]
    assert name in str(report.__doc__)
    every = ONE.replace("0.5", "0.5, every_rank=True")
    pushed(every, tmp_path / "rank1", **{name: "1", "RANK": "0"})
    assert values_of(tmp_path / "rank1") == [0.5]


def test_of_forks_each_knows_its_own_rank(tmp_path: Path) -> None:
    code = (
        "import os\nfrom trialstream_report import report\nreport(loss=0)\n"
        "for rank in '10':\n"
        "    if not (child := os.fork()):\n"
        "        os.environ['RANK'] = rank; report(loss=1 + int(rank)); os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
    )
    pushed(code, tmp_path / "reports")
    assert values_of(tmp_path / "reports") == [0, 1]


def test_threads_and_forks_write_whole_lines(tmp_path: Path) -> None:
    """Forked while threads of the parent report, and those of the children, too."""
    each = tiered(1000)
    code = f"""
import os, threading
from trialstream_report import report
def reports(first):
    for n in range({each}):
        report(loss=first + n, text="refused")
def threads(place):
    made = [threading.Thread(target=reports, args=[{each} * (4 * place + n)]) for n in range(4)]
    for one in made: one.start()
    return made
own, children = threads(0), []
for place in range(1, 4):
    child = os.fork()
    if not child:
        for one in threads(place): one.join()
        os._exit(0)
    children.append(child)
for child in children: assert os.waitpid(child, 0)[1] == 0
for one in own: one.join()
"""
    pushed(code, tmp_path / "reports")
    assert sorted(values_of(tmp_path / "reports")) == list(range(16 * each))
    assert len(lines_of(tmp_path / "reports")) == 16 * each


def test_a_trial_that_is_killed_has_reported_all_that_it_did(tmp_path: Path) -> None:
    """kill -9 at any moment: what `report` returned from is in the file, to the last."""
    code = (
        "from trialstream_report import report\nn = 0\n"
        "while True:\n    n += 1; report(loss=n); print(n, flush=True)"
    )
    for moment in range(tiered(25)):
        file = tmp_path / f"reports{moment}"
        with running(code, file) as child:
            assert child.stdout
            for _ in range(20 + 7 * moment):
                child.stdout.readline()
            os.killpg(child.pid, signal.SIGKILL)
            said = len(child.stdout.readlines()) + 20 + 7 * moment
        assert values_of(file) in ([*range(1, said + 1)], [*range(1, said + 2)])


def test_a_line_of_somebody_else_that_is_half_written_takes_nothing_along(file: Path) -> None:
    report(loss=1)
    with file.open("a") as other:
        other.write('\n{"timestamp": 1, "lo')
    report(loss=2)
    assert values_of(file) == [1, 2]


def test_the_collector_can_read_it_whatever_the_umask(tmp_path: Path) -> None:
    pushed(f"import os; os.umask(0o077); {ONE}", tmp_path / "reports")
    assert (tmp_path / "reports").stat().st_mode & 0o777 == 0o644


def test_nothing_is_kept_open_that_a_program_might_close(tmp_path: Path) -> None:
    other = tmp_path / "other"
    code = (
        f"import os\n{ONE}\nos.closerange(3, 100)\n"
        f"kept = [open({str(other)!r}, 'a') for n in range(20)]\nreport(loss=0.25)"
    )
    pushed(code, tmp_path / "reports")
    assert values_of(tmp_path / "reports") == [0.5, 0.25]
    assert other.read_text() == ""


def test_a_call_is_quick(file: Path, record_property: Callable[[str, object], None]) -> None:
    """In processor time: others work on the machine. What is measured is time that passes."""
    worked, passed = [], []
    for n in range(10_000):
        start, began = time.thread_time(), time.perf_counter()
        report(step=n, loss=0.1 * n, accuracy=1 / (n + 1))
        passed.append(time.perf_counter() - began)
        worked.append(time.thread_time() - start)
    half, slow = (sorted(passed)[int(len(passed) * part)] * 1e6 for part in (0.5, 0.999))
    record_property(MEASURED, f"report: {half:.0f} µs, p99.9 {slow:.0f} µs")
    assert sorted(worked)[len(worked) // 2] < 100e-6
    assert sorted(worked)[int(len(worked) * 0.999)] < 5e-3


def test_trialstream_has_it_too() -> None:
    assert trialstream.report is report
    assert trialstream_report.FILE == REPORT_FILE


def test_it_needs_no_more_than_python_3_8() -> None:
    for path in Path(str(trialstream_report.__file__)).parent.glob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 8))


def test_it_runs_on_python_3_8_and_imports_little(tmp_path: Path) -> None:
    program = python("3.8")
    if program is None:
        pytest.skip("it needs a Python 3.8")
    code = (
        "import json, sys; before = set(sys.modules)\n"
        f"{ONE}\nreport({{'a/b': 1}}, step=2, loss=float('nan'))\n"
        "print(len(set(sys.modules) - before), file=sys.stderr)"
    )
    said = ran(code, program, **{REPORT_FILE: tmp_path / "reports"})
    assert repr(values_of(tmp_path / "reports")) == "[0.5, nan]"
    assert int(said) < 10


def test_copied_alone_it_works(tmp_path: Path) -> None:
    source = ROOT / "trialstream_report" / "__init__.py"
    (tmp_path / "trialstream_report.py").write_text(source.read_text())
    subprocess.run(
        [
            python("3.8") or "python3",
            "-I",
            "-c",
            f"import sys; sys.path[0:0] = [{str(tmp_path)!r}]; {ONE}",
        ],
        env={REPORT_FILE: str(tmp_path / "reports")},
        check=True,
    )
    assert values_of(tmp_path / "reports") == [0.5]
