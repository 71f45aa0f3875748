"""`list`, `show`, `trials` and `export` say what is in the database, to people and to scripts."""

import csv
import io
import json
import re
import subprocess
import sys

import pytest

from controller.cli.exits import ExitCode
from tests.controller.cli.place import Place


def test_list_shows_each_experiment_with_its_progress(place: Place) -> None:
    lines = place.run("list").output.splitlines()
    assert lines[0].split() == ["NAME", "NAMESPACE", "STATE", "TRIALS", "RUNNING", "BEST", "AGE"]
    digits = next(line for line in lines if line.startswith("digits"))
    assert digits.split()[:5] == ["digits", "default", "Running", "5/20", "3"]


def test_list_of_one_namespace(place: Place) -> None:
    listed = json.loads(place.run("list", "--namespace", "team", "--output", "json").output)
    assert [one["name"] for one in listed] == ["quiet"]


def test_show_tells_state_best_and_running_trials(place: Place) -> None:
    output = place.run("show", "digits").output
    assert re.search(r"Points +\d+ received, the last at 20", output)
    assert "8 of 20 proposed" in output
    assert "1 EarlyStopped" in output
    assert "Best: trial 6" in output
    assert "loss=0.4 (report 2)" in output


def test_show_tells_of_points_once_nothing_runs(place: Place) -> None:
    assert re.search(r"Points +36 received, the last at 20", place.run("show", "done").output)
    assert re.search(r"Points +0 received$", place.run("show", "quiet", "-n", "team").output, re.M)


def test_show_as_json_is_one_document(place: Place) -> None:
    tree = json.loads(place.run("show", "done", "-o", "json").output)
    assert tree["state"] == "Succeeded"
    assert tree["reason"] == "ExperimentMaxTrialsReached"
    assert tree["trials"]["Succeeded"] == 12
    assert tree["best"]["metrics"]["loss"] == tree["best"]["value"]
    assert set(tree["best"]["assignment"]) == {"lr", "layers", "opt"}


def test_show_without_any_result(place: Place) -> None:
    tree = json.loads(place.run("show", "team/quiet", "-o", "json").output)
    assert tree["best"] is None
    assert sum(tree["trials"].values()) == 0
    assert "Running" in place.run("show", "quiet", "-n", "team").output


def test_trials_sorted_by_value_have_the_best_first_and_failures_last(place: Place) -> None:
    rows = json.loads(place.run("trials", "digits", "--sort", "value", "-o", "json").output)
    assert [row["number"] for row in rows[:3]] == [6, 1, 3]
    assert all(row["value"] is None for row in rows[3:])


def test_trials_of_one_state(place: Place) -> None:
    rows = json.loads(
        place.run("trials", "digits", "--state", "early-stopped", "-o", "json").output
    )
    assert [row["number"] for row in rows] == [3]
    assert "No trial is in this state" in place.run("trials", "digits", "--state", "killed").output


def test_trials_in_an_unknown_state(place: Place) -> None:
    assert (
        "there are: Proposed"
        in place.run("trials", "digits", "--state", "lazy", code=ExitCode.INVALID).output
    )


def test_plain_tables_are_not_cut(place: Place) -> None:
    assert "</script><img src=x onerror=alert(1)>" in place.run("trials", "evil").output


def test_tables_keep_control_characters_out(place: Place) -> None:
    output = place.run("trials", "evil").output
    assert "\x1b" not in output
    assert "\u2028" not in output


def test_export_has_one_row_a_trial_with_exact_numbers(place: Place) -> None:
    rows = list(csv.DictReader(io.StringIO(place.run("export", "digits").output)))
    assert [int(row["number"]) for row in rows] == list(range(1, 9))
    assert rows[0]["name"] == "digits-1"
    assert (rows[0]["loss.min"], rows[0]["loss.max"], rows[0]["loss.latest"]) == (
        "0.7",
        "0.9",
        "0.8",
    )
    assert rows[1]["cause"] == "Error"


def test_export_as_json_lines_to_a_file(place: Place) -> None:
    file = place.data / "export.jsonl"
    place.run("export", "digits", "-o", "jsonl", "--file", str(file))
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(rows) == 8
    assert rows[3]["state"] == "MetricsUnavailable"
    assert rows[3]["loss.min"] is None


def test_an_unknown_experiment_comes_with_the_names_that_are_close(place: Place) -> None:
    assert "did you mean digits?" in place.run("show", "digit", code=ExitCode.NOT_FOUND).output
    assert "did you mean team/quiet?" in place.run("show", "quiet", code=ExitCode.NOT_FOUND).output


def test_an_unknown_trial(place: Place) -> None:
    for wanted in ("99", "0", "abc", "9" * 30):
        assert (
            "its trials are 1 to 8"
            in place.run("why", "digits", wanted, code=ExitCode.NOT_FOUND).output
        )


@pytest.mark.parametrize("command", ["export", "events", "trials"])
def test_a_reader_that_has_enough_is_no_error(place: Place, command: str) -> None:
    """As in `trialstream export digits | head -1`."""
    words = [sys.executable, "-m", "controller.cli", command, "digits", "--data", str(place.data)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as shown:
        assert shown.stdout is not None
        assert shown.stderr is not None
        shown.stdout.close()
        assert shown.stderr.read() == b""
