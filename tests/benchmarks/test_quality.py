"""`python -m benchmarks quality` on two small problems: runs, tables, page; nothing is made
twice."""

from importlib.metadata import version
from pathlib import Path

import pytest

from benchmarks import quality
from benchmarks.__main__ import main
from benchmarks.bars import BARS
from benchmarks.outcome import CannotMeasureError
from benchmarks.quality.command import plan
from benchmarks.quality.page import BEGIN, END
from benchmarks.quality.results import read

SMALL = [
    "--problems",
    "branin2,camel2",
    "--contenders",
    "nevergrad,random",
    "--trials",
    "25",
    "--seeds",
    "2",
]


@pytest.mark.long
def test_it_runs_reports_and_goes_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file, page = tmp_path / "results.jsonl", tmp_path / "quality.md"
    page.write_text(f"before\n{BEGIN}old\n{END}after\n")
    arguments = [
        *SMALL,
        "--results",
        str(file),
        "--docs",
        str(tmp_path),
        "--champion",
        "nevergrad",
        "--processes",
        "1",
    ]
    outcome = quality.measure(tmp_path, quick=True, arguments=arguments)
    assert outcome.figures.keys() <= BARS["quality"].keys()
    assert outcome.figures["ask_ms"] > 0
    assert len(read(file)) == 2 * 2 * 2 * 2
    told = page.read_text()
    assert told.startswith("before\n")
    assert told.endswith("after\n")
    assert "old" not in told
    assert "| nevergrad | " in told
    assert "| nevergrad | " in capfd.readouterr().out
    lines = file.read_text()
    again = quality.measure(tmp_path, quick=True, arguments=[*arguments, "--seeds", "1"])
    assert file.read_text() == lines
    assert again.figures.keys() == outcome.figures.keys()


def test_tags_name_the_versions_of_ours_alone(tmp_path: Path) -> None:
    names = "nevergrad,random,nevergrad:optimizer=CMA,nevergrad.ngopt"
    tags = ["--tag", "mine", "--tag", "random=first", "--tag", "nevergrad:optimizer=CMA=other"]
    versions = plan(["--contenders", names, *tags], tmp_path, quick=True).versions
    assert list(versions.values())[:3] == ["mine", "first", "other"]
    assert versions["nevergrad.ngopt"] == version("nevergrad")


def test_slow_contenders_are_capped_and_every_first_seed_comes_first(tmp_path: Path) -> None:
    arguments = [
        "--contenders",
        "random,nevergrad",
        "--problems",
        "branin2",
        "--workers",
        "1",
        "--seeds",
        "3",
    ]
    wanted = plan(
        [*arguments, "--cap", "nevergrad=1x30", "--trials", "40"], tmp_path, quick=False
    ).wanted()
    assert [(one.key.contender, one.key.seed, one.trials) for one in wanted] == [
        ("random", 0, 40), ("nevergrad", 0, 30), ("random", 1, 40), ("random", 2, 40),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--problems", "branin3"], "branin2"),
        (["--contenders", "optuna.tpee"], "optuna.tpe"),
    ],
)
def test_what_is_unknown_is_refused_with_what_there_is(
    tmp_path: Path, arguments: list[str], named: str
) -> None:
    with pytest.raises(CannotMeasureError, match=named):
        quality.measure(tmp_path, quick=True, arguments=arguments)


@pytest.mark.parametrize("arguments", [["gap", "--seeds", "3"], ["quality", "--sseeds", "3"]])
def test_options_that_a_benchmark_does_not_have_are_refused(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", *arguments])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert arguments[1] in capfd.readouterr().err
