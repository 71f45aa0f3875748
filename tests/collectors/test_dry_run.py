"""`collect --dry-run` shows what each line becomes, why others become nothing, and what would read
them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import re2

from collectors.dry_run import MOST_SHOWN, expression_for
from tests.experiments import experiment_text

KATIB = {"source": {"filter": {"metricsFormat": ["(loss)=([0-9.]+)"]}}}


def tried(
    folder: Path, log: str | bytes, collector: dict[str, object] | None = None
) -> tuple[int, str]:
    """Exit code and output of a dry run of this log on a pipe."""
    file = folder / "experiment.yaml"
    file.write_text(experiment_text("dry", metricsCollectorSpec=collector))
    done = subprocess.run(
        [sys.executable, "-m", "collectors", "--dry-run", "-f", str(file), "-"],
        input=log if isinstance(log, bytes) else log.encode(),
        capture_output=True,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).decode()


def test_what_each_line_becomes(tmp_path: Path) -> None:
    log = "start\n2024-01-02T00:00:00Z loss=0.5\nval/loss=3\nloss=1,234.5\rloss=0.25\n"
    code, said = tried(tmp_path, log)
    assert code == 0
    assert said.splitlines() == [
        "line 2: loss = 0.5 (report 1 at 2024-01-02T00:00:00+00:00)",
        "line 3: nothing, it names a metric, and no filter matches: 'val/loss=3'",
        "line 4: nothing, '1,234.5' of loss is no number: 'loss=1,234.5'",
        "line 5: loss = 0.25 (report 2)",
        "5 lines, 2 of them with values",
        "  loss: 2 values",
    ]


@pytest.mark.parametrize(
    ("log", "collector", "suggested"),
    [
        ("32/32 - 1s - loss: 0.31\n", KATIB, "source: {filter: {preset: "),
        ("the loss is   0.31 now\n", None, r"(loss)\s+is\s+"),
        ("nothing here\n", None, None),
    ],
)
def test_a_filter_is_suggested(
    tmp_path: Path, log: str, collector: dict[str, object] | None, suggested: str | None
) -> None:
    code, said = tried(tmp_path, log, collector)
    assert code == 1
    assert ("suggested: " in said) == (suggested is not None)
    assert suggested is None or suggested in said


@pytest.mark.parametrize("line", ["the loss is   0.31 now", "loss [min] -> -.5e-3", "loss 1"])
def test_what_is_suggested_reads_the_line(line: str) -> None:
    expression = expression_for("loss", line)
    assert expression is not None
    match = re2.compile(expression).search(line)
    assert match
    assert re2.compile(expression).search(line.replace("loss", "val_loss")) is None
    assert float(match[2]) == float(re.split(" ", line)[-1 if "now" not in line else -2])


def test_the_page_shows_what_it_says(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    log, shown = re.findall(r"```text\n(.*?)```", text.split("### Trying it out", 1)[1], re.DOTALL)
    assert tried(tmp_path, log) == (1, shown)


def test_the_output_is_bounded(tmp_path: Path) -> None:
    lines = b"loss=1\n" * 5_000 + b"Loss 1\n" * 5_000 + b"\xff" * 300_000
    code, said = tried(tmp_path, lines)
    assert code == 0
    assert "10,001 lines, 5,000 of them with values" in said
    assert len(said.splitlines()) <= 2 * MOST_SHOWN + 3


def test_bad_input_is_said(tmp_path: Path) -> None:
    folder = {"collector": {"kind": "TensorFlowEvent"}}
    assert tried(tmp_path, "", dict(folder)) == (
        2,
        "Error: event files have no lines; only logs and files can be tried\n",
    )


def test_a_text_is_shown_as_what_it_is(tmp_path: Path) -> None:
    filter_ = {"metricsFormat": ["(loss)=(Genotype.*)"]}
    code, said = tried(tmp_path, "loss=0.5\nloss=Genotype(1)\n", {"source": {"filter": filter_}})
    assert code == 0
    assert said.splitlines()[-3:] == [
        "line 2: loss = 'Genotype(1)' (a text)",
        "2 lines, 1 of them with values",
        "  loss: a text",
    ]
