"""A report is one safe, bounded HTML file, whatever is in the experiment."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.controller import histories
from tests.controller.cli.place import EVIL, Place
from tests.controller.histories import admitted, finish, opened

LARGEST_BYTES = 12_000_000


def _report(place: Place, name: str, tmp_path: Path) -> str:
    file = tmp_path / "report.html"
    place.run("report", name, "--file", str(file))
    return file.read_text()


def _figures(html: str) -> dict[str, Any]:
    found = re.search(
        r'<script type="application/json" id="figures">(.*?)</script>', html, re.DOTALL
    )
    figures: dict[str, Any] = json.loads(found[1]) if found else {}
    return figures


def test_a_finished_experiment_has_all_figures(place: Place, tmp_path: Path) -> None:
    html = _report(place, "done", tmp_path)
    assert set(_figures(html)) == {"history", "parallel", "importance", "slices", "learning"}
    assert "Best: trial" in html


def test_no_trials_and_no_figures(place: Place, tmp_path: Path) -> None:
    html = _report(place, "team/quiet", tmp_path)
    assert "No results yet" in html
    assert "plotly.js" not in html


def test_failures_are_marked(place: Place, tmp_path: Path) -> None:
    names = {
        trace["name"] for trace in _figures(_report(place, "digits", tmp_path))["history"]["data"]
    }
    assert {
        "Succeeded",
        "EarlyStopped",
        "Failed (no value)",
        "MetricsUnavailable (no value)",
        "best so far",
    } <= names


def test_logarithmic_parameters_get_logarithmic_axes(place: Place, tmp_path: Path) -> None:
    layout = _figures(_report(place, "done", tmp_path))["slices"]["layout"]
    axes = {
        axis["title"]["text"]: axis for name, axis in layout.items() if name.startswith("xaxis")
    }
    assert {name: axis.get("type") for name, axis in axes.items()} == {
        "lr": "log",
        "layers": None,
        "opt": None,
    }
    assert axes["opt"]["ticktext"] == ["adam", "sgd"]


def test_text_of_users_is_never_markup(place: Place, tmp_path: Path) -> None:
    html = _report(place, "evil", tmp_path)
    assert EVIL not in html
    assert "<img" not in re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    labels = [axis["label"] for axis in _figures(html)["parallel"]["data"][0]["dimensions"]]
    assert "&lt;b&gt;lr&lt;/b&gt;" in labels
    assert html.count("</script>") == html.count("<script")


def test_nothing_is_loaded_from_elsewhere(place: Place, tmp_path: Path) -> None:
    html = _report(place, "done", tmp_path)
    assert "default-src 'none'" in html
    assert not re.search(
        r'(src|href)="http', re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    )


@pytest.mark.long
def test_ten_thousand_trials_fit(place: Place, tmp_path: Path) -> None:
    async def write() -> None:
        async with opened(place.url) as (database, leases):
            author = await admitted(
                database, leases, histories.text("large", trials=10_000, parallel=500)
            )
            await finish(author, 10_000)

    asyncio.run(write())
    html = _report(place, "large", tmp_path)
    assert len(html.encode()) < LARGEST_BYTES
    assert len(_figures(html)["history"]["data"][0]["x"]) == 10_000


def test_one_trial(place: Place, tmp_path: Path) -> None:
    async def write() -> None:
        async with opened(place.url) as (database, leases):
            await finish(
                await admitted(database, leases, histories.text("single", trials=1, parallel=1)), 1
            )

    asyncio.run(write())
    assert set(_figures(_report(place, "single", tmp_path))) == {"history", "slices"}
