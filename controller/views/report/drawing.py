"""What the figures of a report share: colours, axes, users' text escaped, numbers short."""

import html
from collections.abc import Sequence
from typing import Any

from controller.views import words
from events.facts import TrialState

Figure = dict[str, Any]

INK, GRID, GOOD, PLAIN = "#1f2933", "#e4e7eb", "#12805c", "#3b6fb6"
COLOURS = {
    TrialState.SUCCEEDED: PLAIN,
    TrialState.EARLY_STOPPED: "#e09f1f",
    TrialState.FAILED: "#c8372d",
    TrialState.METRICS_UNAVAILABLE: "#8d4bb8",
    TrialState.KILLED: "#9aa5b1",
    TrialState.RUNNING: "#17a2b8",
}
MISSED = "#c8372d"
"""Trials that miss an outcome constraint."""
SYMBOLS = {
    TrialState.EARLY_STOPPED: "diamond",
    TrialState.FAILED: "x",
    TrialState.METRICS_UNAVAILABLE: "x",
}
SCALE = [[0, "#fde725"], [0.25, "#5ec962"], [0.5, "#21918c"], [0.75, "#3b528b"], [1, "#440154"]]
LATER = [[0, "#bcd3ef"], [1, "#12376b"]]
LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
SPREAD = 1e3
"""Positive values that differ by more than this factor are drawn on a logarithmic axis."""
MOST_LABEL = 40
MOST_TICKS = 12
"""Ticks of an axis that has one for each value."""


def label(text: object) -> str:
    """A user's text for plotly.js, which reads some HTML: escaped, on one line, not too long."""
    shown = words.scalar(text)
    return html.escape(
        shown if len(shown) <= MOST_LABEL else f"{shown[: MOST_LABEL - 1]}…", quote=False
    )


def framed(height: int, **more: Any) -> Figure:
    return {
        "height": height,
        "margin": {"l": 70, "r": 24, "t": 30, "b": 50},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {
            "family": "system-ui, -apple-system, Segoe UI, Roboto, sans-serif",
            "size": 13,
            "color": INK,
        },
        "hoverlabel": {"font": {"size": 12}},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "#cbd2d9", "activecolor": PLAIN},
        **more,
    }


def axis_of(title: str, kind: str = "linear") -> Figure:
    axis = {
        "title": {"text": label(title), "standoff": 12},
        "gridcolor": GRID,
        "zerolinecolor": GRID,
        "linecolor": GRID,
        "automargin": True,
    }
    return {**axis, "type": "log", "exponentformat": "power"} if kind == "log" else axis


def scale_of(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return "log" if known and min(known) > 0 and max(known) / min(known) > SPREAD else "linear"


def numbers_of(given: Sequence[Any]) -> list[float | None]:
    return [None if value is None else short(float(value)) for value in given]


def short(value: float | None) -> float | None:
    """Six digits are enough to draw."""
    return None if value is None else float(f"{value:.6g}")
