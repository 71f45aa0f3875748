"""Files of earlier results, as our export, MLflow, Optuna and people write them."""

import json
import os
from pathlib import Path

import pytest

from controller.cli.results_file import ResultsFileError, with_file
from events.spec.document import load
from events.spec.experiment import ExperimentSpec
from tests.events.texts import OURS, edited

EXPORTED = """\
number,name,state,cause,attempt,lr,kind,loss.min,loss.max,loss.latest,value
1,b-1,Succeeded,Completed,1,0.05,sgd,0.5,0.9,0.6,0.5
2,b-2,Failed,Error,1,0.02,adam,,,,
3,b-3,EarlyStopped,Cancelled,1,0.02,adam,0.7,0.9,0.9,0.7
"""
MLFLOW = """\
run_id,status,params.lr,params.kind,params.batch,metrics.loss,tags.user
a,FINISHED,0.05,sgd,8,0.5,me
b,FAILED,0.02,adam,8,0.1,me
"""
OPTUNA = """\
number,value,datetime_start,params_lr,params_kind,state
0,0.5,2026-01-01,0.05,sgd,COMPLETE
1,,2026-01-01,0.02,adam,FAIL
2,nan,2026-01-01,0.02,adam,COMPLETE
"""
PLAIN = "\ufefflr,kind,loss\n0.05,sgd,0.5\n0.01,,inf\n"
LINES = (
    '{"lr": 0.05, "kind": "sgd", "loss": 0.5}\n\n{"parameters": {"lr": 0.02, "kind": null}, '
    '"value": 0.4}\n'
)


def spec(name: str) -> ExperimentSpec:
    return load(
        edited(OURS, ("  maxTrialCount", f"  warmStart: {{file: {name}}}\n  maxTrialCount"))
    ).spec


def found(
    folder: Path, name: str, text: str
) -> tuple[list[tuple[dict[str, object], float]], list[str]]:
    (folder / name).write_text(text)
    filled, said = with_file(spec(name), folder)
    assert filled.warm_start is not None
    assert filled.warm_start.rows is not None
    assert filled.warm_start.file == name
    return [(dict(row.parameters), row.value) for row in filled.warm_start.rows], said


@pytest.mark.parametrize(
    ("name", "text", "parameters", "said"),
    [
        (
            "a.csv",
            EXPORTED,
            {},
            [
                "1 lines are left out: state is Failed",
                "1 lines are left out: state is EarlyStopped",
            ],
        ),
        ("a.csv", MLFLOW, {"batch": "8"}, ["1 lines are left out: status is FAILED"]),
        (
            "a.csv",
            OPTUNA,
            {},
            [
                "1 lines are left out: state is FAIL",
                "1 lines are left out: no finite number in value",
            ],
        ),
        ("a.CSV", PLAIN, {}, ["1 lines are left out: no finite number in loss"]),
    ],
)
def test_columns_are_found_by_their_names(
    tmp_path: Path, name: str, text: str, parameters: dict[str, object], said: list[str]
) -> None:
    rows, told = found(tmp_path, name, text)
    assert rows == [({"lr": "0.05", "kind": "sgd", **parameters}, 0.5)]
    assert told == [f"{name}: {line}" for line in said]


def test_json_lines_may_be_flat_or_not(tmp_path: Path) -> None:
    rows, _ = found(tmp_path, "a.jsonl", LINES.replace('"value": 0.4', '"loss": 0.4'))
    assert rows == [({"lr": 0.05, "kind": "sgd"}, 0.5), ({"lr": 0.02}, 0.4)]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "x", "'a.txt' must end with .csv or .jsonl"),
        ("a.csv", "lr,accuracy\n1,2\n",
         "has no column for the objective: call it loss or value; columns are: lr, accuracy"),
        ("a.csv", "", "has no column for the objective: call it loss or value; columns are: none"),
        ("a.jsonl", '{"lr": 1}\n[1]\n',
            "line 2 of {folder}/a.jsonl is not a JSON object; write one object a line"),
        ("a.jsonl", "{",
            "line 1 of {folder}/a.jsonl is not a JSON object; write one object a line"),
        ("a.csv", "lr,loss\n" + "0.1,1\n" * 1001, "1,001 rows are too many; keep the best 1,000"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told_with_the_remedy(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ResultsFileError) as error:
        with_file(spec(name), tmp_path)
    assert str(error.value) == message.format(folder=tmp_path)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ResultsFileError, match=r"a\.csv cannot be read: No such file or directory"):
        with_file(spec("a.csv"), tmp_path)
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(ResultsFileError, match="is not UTF-8"):
        with_file(spec("b.csv"), tmp_path)


def test_without_a_file_nothing_is_read(tmp_path: Path) -> None:
    plain = load(OURS.encode()).spec
    assert with_file(plain, tmp_path) == (plain, [])
    assert json.loads(plain.model_dump_json())["warmStart"] is None


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(tmp_path / "a.csv")
    else:
        (tmp_path / "a.csv").symlink_to("/dev/zero")
    with pytest.raises(ResultsFileError, match=r"a\.csv cannot be read: it is no regular file"):
        with_file(spec("a.csv"), tmp_path)
