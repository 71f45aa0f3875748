"""`collect --dry-run` shows what each line becomes, why others become nothing, and what would read
them."""

import io
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.dry_run import dry_run, expression_for, lines_of
from collectors.dry_words import MOST_SHOWN
from collectors.limits import MAX_LINE
from collectors.parsers.text import Text
from collectors.sources.exposition import Page, Wanted
from collectors.sources.tail import Tail
from events.clock import now
from tests.collectors.event_files import write
from tests.experiments import experiment_text
from tests.tiers import tiered

PROMETHEUS: dict[str, object] = {"collector": {"kind": "PrometheusMetric"}}
EVENTS: dict[str, object] = {"collector": {"kind": "TensorFlowEvent"}}
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


@pytest.mark.parametrize("value", ["1,234.5", "1.5K", "9/10", "1 234", "0:01:30"])
def test_no_filter_is_suggested_that_reads_the_beginning_of_a_value(value: str) -> None:
    assert expression_for("loss", f"loss {value}") is None


def test_the_page_shows_what_it_says(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    examples = text.split("### Trying it out", 1)[1]
    log, shown, of_page = re.findall(r"```text\n(.*?)```", examples, re.DOTALL)
    assert tried(tmp_path, log) == (1, shown)
    assert tried(tmp_path, "val_loss 0.5\n", PROMETHEUS) == (1, of_page)


def test_the_output_is_bounded(tmp_path: Path) -> None:
    lines = b"loss=1\n" * 5_000 + b"Loss 1\n" * 5_000 + b"\xff" * 300_000
    code, said = tried(tmp_path, lines)
    assert code == 0
    assert "10,001 lines, 5,000 of them with values" in said
    assert len(said.splitlines()) <= 2 * MOST_SHOWN + 3


class Desk:
    """Dry runs in this process."""

    def __init__(self, folder: Path, shown: pytest.CaptureFixture[str]) -> None:
        self.folder, self._shown = folder, shown

    def try_on(self, path: Path, collector: dict[str, object]) -> tuple[int, list[str]]:
        """Exit code and lines of a dry run of a file or a folder."""
        file = self.folder / "experiment.yaml"
        file.write_text(experiment_text("dry", metricsCollectorSpec=collector))
        code = dry_run(["--dry-run", "-f", str(file), str(path)])
        said = self._shown.readouterr()
        return code, (said.out + said.err).splitlines()

    def try_page(self, text: str) -> tuple[int, list[str]]:
        """The same of a page for Prometheus."""
        page = self.folder / "page"
        page.write_text(text)
        return self.try_on(page, PROMETHEUS)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def test_what_each_sample_of_a_page_becomes(desk: Desk) -> None:
    page = '# TYPE loss gauge\nloss 0.5\nloss{set="a"} 2\nlearning_rate 0.1\n'
    code, said = desk.try_page(page)
    assert code == 0
    assert said == [
        "'loss': loss = 0.5",
        "'loss{set=\"a\"}': nothing, another has just the labels of loss",
        "'learning_rate': nothing, nobody asked for it",
        "3 samples, 1 of them with values",
        "  loss: 1 values",
    ]


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("val_loss 1\nacc 2\n", "val_loss"),
        ('train_loss 3\nloss{set="a"} 1\nloss{set="b\\"c"} 2\n', 'loss{set="a"}'),
        ("acc 2\n", None),
        ("", None),
    ],
)
def test_a_name_of_a_sample_is_suggested(desk: Desk, page: str, name: str | None) -> None:
    code, said = desk.try_page(page)
    assert code == 1
    expected = [f"suggested: {name!r} in place of 'loss'"] if name else []
    assert [line for line in said if "suggested" in line] == expected
    assert name is None or list(Page(page).values([Wanted.of(name)])) == [(name, 1.0, None)]


def test_a_page_of_open_metrics_has_times(desk: Desk) -> None:
    page = "# TYPE loss gauge\nloss 0.5 1700000000\n# EOF\n"
    code, said = desk.try_page(page)
    assert code == 0
    assert said[0] == "'loss': loss = 0.5 (at 2023-11-14T22:13:20+00:00)"


def test_a_long_page_is_told_in_few_lines(desk: Desk) -> None:
    page = "".join(f'loss{{set="{number}"}} 1\nother_{number} 2\n' for number in range(10_000))
    code, said = desk.try_page(page)
    assert code == 1
    assert "20,000 samples, 0 of them with values" in said
    assert len(said) <= MOST_SHOWN + 4
    assert "more than 1 MiB" in "".join(desk.try_page("x" * 2_000_000)[1])


def test_what_each_scalar_of_event_files_becomes(desk: Desk, tmp_path: Path) -> None:
    write(tmp_path / "run", "loss", [0.5, 0.25])
    write(tmp_path / "run", "acc", [1, 2, 3], suffix=".b")
    code, said = desk.try_on(tmp_path / "run", EVENTS)
    assert code == 0
    assert said == [
        "tag 'loss': loss = 0.5 (report 1 at 2023-11-14T22:13:20+00:00)",
        "tag 'loss': loss = 0.25 (report 2 at 2023-11-14T22:13:21+00:00)",
        "tag 'acc': nothing of 3 scalars, nobody asked for it",
        "2 files, 5 scalars, 2 values",
        "  loss: 2 values",
    ]


def test_a_tag_that_fits_less_and_a_broken_file_are_told(desk: Desk, tmp_path: Path) -> None:
    write(tmp_path / "a", "loss", [0.5])
    write(tmp_path / "b", "loss_of_test", [9])
    (file,) = (tmp_path / "a").iterdir()
    size = file.stat().st_size
    file.write_bytes(file.read_bytes() + b"x" * 20)
    code, said = desk.try_on(tmp_path, EVENTS)
    assert code == 0
    assert "tag 'loss_of_test' in 'b': nothing of 1 scalars, loss has a better match" in said
    assert any(f"nothing beyond byte {size}, what follows is no record" in line for line in said)


def test_a_tag_is_suggested_and_the_output_is_bounded(desk: Desk, tmp_path: Path) -> None:
    for number in range(2 * MOST_SHOWN):
        write(tmp_path / "run", f"val/loss{number}", [1] * 3, suffix=f".{number}")
    code, said = desk.try_on(tmp_path / "run", EVENTS)
    assert code == 1
    assert said[-1] == "suggested: 'val/loss0' in place of 'loss'"
    assert len(said) == MOST_SHOWN + 4
    write(tmp_path / "run", "loss", [1] * 100)
    code, said = desk.try_on(tmp_path / "run", EVENTS)
    assert code == 0
    assert len(said) == 2 * MOST_SHOWN + 4


def test_a_folder_without_event_files_is_told(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, said = desk.try_on(tmp_path / "empty", EVENTS)
    assert code == 1
    assert said[-1] == f"no file below {tmp_path / 'empty'} has tfevents in its name"


def test_bad_input_is_said(desk: Desk, tmp_path: Path) -> None:
    code, said = desk.try_on(tmp_path / "away", EVENTS)
    assert (code, said) == (
        2,
        [f"Error: {tmp_path / 'away'} is no folder; event files are read from one"],
    )
    none: dict[str, object] = {"collector": {"kind": "None"}}
    code, text = tried(tmp_path, "", none)
    assert (code, text) == (
        2,
        "Error: the collector None reads no metrics; there is nothing to try\n",
    )
    assert desk.try_page('loss{a="1 2\n')[0] == 2


def test_a_text_is_shown_as_what_it_is(tmp_path: Path) -> None:
    filter_ = {"metricsFormat": ["(loss)=(Genotype.*)"]}
    code, said = tried(tmp_path, "loss=0.5\nloss=Genotype(1)\n", {"source": {"filter": filter_}})
    assert code == 0
    assert said.splitlines()[-3:] == [
        "line 2: loss = 'Genotype(1)' (a text)",
        "2 lines, 1 of them with values",
        "  loss: a text",
    ]


def test_each_state_of_a_long_progress_bar_is_a_line(tmp_path: Path) -> None:
    """All of them together are one line for a file, longer than what is read of one."""
    bar = "\r".join(f"50%|█████     | {n}/3000 [00:01, loss={n / 3000}]" for n in range(3000))
    assert len(bar) > MAX_LINE
    code, said = tried(tmp_path, f"{bar}\nloss=0.5\n")
    assert code == 0
    assert "3,001 lines, 3,001 of them with values" in said


@settings(max_examples=tiered(100))
@given(
    st.lists(
        st.sampled_from(
            [b"loss=1", b" loss=2", b"\n", b"\r", b"\r\n", b"x" * (MAX_LINE - 4), b"\xff"]
        ),
        max_size=12,
    ).map(b"".join)
)
def test_a_line_is_what_a_collector_takes_for_one(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "log")
        path.write_bytes(data)
        reader, values = Tail(path, Text(["loss"]), now), []
        while found := reader.finish():
            values += [point.value for point in found]
    parse = Text(["loss"])
    lines = list(lines_of(io.BytesIO(data)))
    assert [value for line in lines for _, value, _ in parse(line)] == values
