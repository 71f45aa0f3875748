"""Several objectives and outcome constraints, as every command tells them."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from controller.cli.exits import ExitCode
from controller.core.best import MOST_MEMBERS
from tests.controller.cli.place import OUTCOMES, Place
from tests.controller.histories import SIZE

# from the worst loss and the size -1: (3 - 1) * 3 + (3 - 2) * 3; the point with loss 3 adds nothing
VOLUME = 9.0


def test_show_has_the_front_its_volume_and_the_infeasible(place: Place) -> None:
    assert len(OUTCOMES) < MOST_MEMBERS, "the state keeps the whole front"
    output = place.run("show", "trade").output
    assert f"Objectives   minimize loss\n             maximize {SIZE}" in output
    assert "latency <= 5\n             (1 trial infeasible)" in output
    assert f"Pareto front: 3 trials, hypervolume 9 from loss=3, {SIZE}=-1" in output
    assert [line.split()[0] for line in output.split("LATENCY")[1].splitlines()[1:4]] == [
        "2",
        "5",
        "1",
    ]


def test_show_as_json(place: Place) -> None:
    tree = json.loads(place.run("show", "trade", "-o", "json").output)
    assert (tree["best"], tree["hypervolume"], tree["infeasible"]) == (None, VOLUME, 1)
    assert tree["referencePoint"] == {"loss": 3.0, SIZE: -1.0}
    assert [(one["trial"], one["values"]) for one in tree["front"]] == [
        (2, [1, 2]),
        (5, [2, 5]),
        (1, [3, 9]),
    ]
    assert "front" not in json.loads(place.run("show", "done", "-o", "json").output)


def test_an_earlier_moment_has_its_own_front(place: Place) -> None:
    events = [
        json.loads(line)
        for line in place.run("events", "trade", "--output", "jsonl").output.splitlines()
    ]
    second = [event for event in events if event["type"].endswith("trial.concluded.v1")][1]
    tree = json.loads(place.run("show", "trade", "--at", second["id"], "-o", "json").output)
    assert [one["trial"] for one in tree["front"]] == [2, 1]


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (["--front"], [1, 2, 5]),
        (["--front", "--sort", "value"], [2, 5, 1]),
        (["--sort", SIZE], [1, 6, 5, 2, 4, 3]),
        (["--sort", "value"], [2, 4, 5, 1, 6, 3]),
        (["--front", "--limit", "2", "--sort", SIZE], [1, 5]),
    ],
)
def test_trials_by_objective_and_of_the_front(
    place: Place, words: list[str], numbers: list[int]
) -> None:
    rows = json.loads(place.run("trials", "trade", "-o", "json", *words).output)
    assert [row["number"] for row in rows] == numbers


def test_what_cannot_be_sorted_by_is_told(place: Place) -> None:
    assert (
        f"number, value, loss, {SIZE}"
        in place.run("trials", "trade", "--sort", "size", code=ExitCode.INVALID).output
    )
    assert "--sort value" in place.run("trials", "done", "--front", code=ExitCode.INVALID).output


def test_the_table_says_who_is_feasible(place: Place) -> None:
    lines = place.run("trials", "trade").output.splitlines()
    assert lines[0].split()[:6] == ["#", "STATE", "LOSS", SIZE.upper(), "LATENCY", "FEASIBLE"]
    assert [line.split()[5] for line in lines[1:7]] == ["yes", "yes", "no", "yes", "yes", "yes"]


def test_export_has_a_column_for_each(place: Place) -> None:
    rows = list(csv.DictReader(io.StringIO(place.run("export", "trade").output)))
    assert [row["front"] for row in rows[:6]] == ["true", "true", "false", "false", "true", "false"]
    assert [row["feasible"] for row in rows[:6]] == [
        "true",
        "true",
        "false",
        "true",
        "true",
        "true",
    ]
    assert (rows[2][f"value.{SIZE}"], rows[2]["missed.latency <= 5"]) == ("99.0", "2.5")
    plain = csv.DictReader(io.StringIO(place.run("export", "done").output)).fieldnames
    assert plain is not None
    assert not {"front", "feasible"} & set(plain)


def test_why_tells_what_is_missed_and_who_is_on_the_front(place: Place) -> None:
    missed = place.run("why", "trade", "3").output
    assert "It misses latency <= 5 by 2.5, so it cannot be the best" in missed
    assert f"with loss = 0.5 and {SIZE} = 99" in missed
    assert "It is on the Pareto front so far." in place.run("why", "trade", "5").output
    assert "Pareto" not in place.run("why", "trade", "4").output


def test_list_and_events(place: Place) -> None:
    line = next(line for line in place.run("list").output.splitlines() if line.startswith("trade"))
    assert "front of 3" in line
    told = place.run("events", "trade").output
    assert "Succeeded, values 1, 2, on the front;" in told
    assert "Succeeded, values 0.5, 99, infeasible;" in told


def test_the_report_draws_the_front_and_each_objective(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    place.run("report", "trade", "--file", str(file))
    html = file.read_text()
    found = re.search(
        r'<script type="application/json" id="figures">(.*?)</script>', html, re.DOTALL
    )
    assert found is not None
    figures = json.loads(found[1])
    assert set(figures) == {
        "tradeoffs",
        "volumes",
        "history",
        "history2",
        "parallel",
        "slices",
        "slices2",
    }
    groups = {trace["name"]: trace["text"] for trace in figures["tradeoffs"]["data"]}
    assert groups == {"infeasible": [3], "other trials": [4, 6], "Pareto front": [2, 5, 1]}
    assert figures["volumes"]["data"][0]["y"][-1] == VOLUME
    assert SIZE not in re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
