"""Regret and rank over results as SVG files, with the confidence bands of the tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.outcome import say
from benchmarks.quality.scores import Estimate, Scores, mean

POINTS = 60
"""Places along a curve, evenly spaced."""


def write(folder: Path, name: str, fields: Mapping[int, Scores]) -> list[str]:
    """`name`-regret.svg and `name`-rank.svg with a panel for each number of workers; the names of
    the files written."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        say("no plots: matplotlib is not installed: python -m pip install --group bench")
        return []
    matplotlib.rcParams |= {
        "svg.hashsalt": "trialstream",
        "svg.fonttype": "none",
        "path.simplify": True,
    }
    files = []
    for measure in ("regret", "rank"):
        figure = Figure(figsize=(5.2 * len(fields), 4.2), layout="constrained")
        panels = figure.subplots(1, len(fields), squeeze=False, sharey=True)[0]
        for panel, (workers, scores) in zip(panels, fields.items(), strict=True):
            _draw(
                panel,
                scores,
                mean(scores, scores.regrets if measure == "regret" else scores.ranks()),
            )
            panel.set(title=f"{workers} at a time", xlabel="results")
        panels[0].set_ylabel(f"mean {measure}")
        if measure == "regret":
            panels[0].set_yscale("log")
        panels[-1].legend(fontsize="small")
        files.append(f"{name}-{measure}.svg")
        figure.savefig(folder / files[-1], metadata={"Date": None})
    return files


def _draw(panel: Any, scores: Scores, estimate: Estimate) -> None:
    """A line and a band for each contender, those that are ours in thicker lines."""
    places = np.unique(np.linspace(0, scores.regrets.shape[2] - 1, POINTS).astype(int))
    for row, name in enumerate(scores.contenders):
        width = 1.2 if "." in name else 2.2
        [line] = panel.plot(places + 1, estimate.mean[row, places], label=name, linewidth=width)
        low, high = estimate.low[row, places], estimate.high[row, places]
        panel.fill_between(places + 1, low, high, color=line.get_color(), alpha=0.12, linewidth=0)
    panel.grid(alpha=0.3)
