"""What strangers name and print commands no terminal, and is no formula to a spreadsheet."""

import csv
import io

from controller.cli.exits import ExitCode
from tests.controller.cli.place import FORMULAS, HOSTILE, Place


def test_a_safe_export_has_no_formulas(place: Place) -> None:
    output = place.run("export", "odd/hostile", "--safe").output
    rows = list(csv.DictReader(io.StringIO(output, newline="")))
    assert "'=lr" in rows[0]
    kinds = [row["kind"] for row in rows]
    assert kinds == [*(f"'{formula}" for formula in FORMULAS[:5]), "-0.5", HOSTILE, HOSTILE]
    assert [float(row["'=lr"]) for row in rows[:2]] == [-0.05, -0.1]
    assert rows[0]["value"] == "-1.0"
    assert rows[7]["message"].startswith("'=")


def test_an_export_is_exact_unless_it_is_to_be_safe(place: Place) -> None:
    rows = list(csv.DictReader(io.StringIO(place.run("export", "odd/hostile").output, newline="")))
    assert [row["kind"] for row in rows] == [*FORMULAS, HOSTILE]
    assert [row["=lr"] for row in rows[:2]] == ["-0.05", "-0.1"]


def test_json_is_safe_by_itself(place: Place) -> None:
    refused = place.run("export", "odd/hostile", "--safe", "-o", "jsonl", code=ExitCode.INVALID)
    assert "--safe is for CSV" in refused.output
