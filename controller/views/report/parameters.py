"""The figures of parameters: parallel coordinates and slices, for plotly.js."""

from collections.abc import Sequence
from math import floor, log10
from typing import Any

from algorithms.space.dimension import LOGARITHMIC
from controller.store.queries.trials import TrialRow
from controller.views import words
from controller.views.report.drawing import (
    INK,
    LATER,
    MOST_TICKS,
    SCALE,
    Figure,
    axis_of,
    framed,
    label,
    numbers_of,
    scale_of,
    short,
)  # fmt: skip
from controller.views.report.subject import Subject
from controller.views.sampling import thinned
from events.spec.space import Parameter, ParameterType

MOST_SLICES, MOST_SLICE_POINTS = 30, 40_000
MOST_AXES, MOST_LINES = 12, 2000
MOST_TICK = 20
"""Characters of a tick."""
_ANGLES = {ord("<"): "\u2039", ord(">"): "\u203a"}


def parallel(subject: Subject, order: Sequence[str]) -> Figure | None:
    """Parallel coordinates of the trials with a value; the parameters that matter most, if they are
    too many."""
    spec = subject.experiment.spec
    rows = thinned([row for row in subject.trials if row.ranked], MOST_LINES)
    if len(rows) < 2 or not spec.parameters:
        return None
    known = {parameter.name: parameter for parameter in spec.parameters}
    chosen = [known[name] for name in order[:MOST_AXES]]
    values = [short(row.known[0]) for row in rows]
    dimensions = [_dimension(parameter, rows) for parameter in chosen]
    for place, target in enumerate(spec.all_objectives):
        dimensions.append(
            {"label": label(target.metric), "values": [short(row.known[place]) for row in rows]}
        )
    better_low = spec.first_objective.type.value == "minimize"
    ordered = sorted(value for value in values if value is not None)
    bounds = (
        [ordered[0], ordered[round(0.9 * (len(ordered) - 1))]]
        if better_low
        else [ordered[len(ordered) // 10], ordered[-1]]
    )
    line = {"color": values, "colorscale": SCALE, "reversescale": better_low, "showscale": True,
            "cmin": bounds[0], "cmax": bounds[1],
            "colorbar": {"thickness": 12, "outlinewidth": 0}}  # fmt: skip
    layout = framed(440, margin={"l": 70, "r": 40, "t": 60, "b": 30})
    font = {"color": INK, "size": 12}
    trace = {
        "type": "parcoords",
        "line": line,
        "dimensions": dimensions,
        "labelfont": font,
        "rangefont": {"size": 1, "color": "rgba(0,0,0,0)"},
    }
    return {"data": [trace], "layout": layout}


def _dimension(parameter: Parameter, rows: Sequence[TrialRow]) -> Figure:
    given = [row.assignment.get(parameter.name) for row in rows]
    if parameter.type is ParameterType.CATEGORICAL:
        return {
            "label": label(parameter.name),
            "values": _places(parameter, given),
            **_choices(parameter),
        }
    numbers = numbers_of(given)
    if parameter.space.distribution in LOGARITHMIC:
        return _log_dimension(parameter, numbers)
    distinct = sorted({value for value in numbers if value is not None})
    few = parameter.type is not ParameterType.DOUBLE and len(distinct) <= MOST_TICKS
    ticks = (
        {"tickvals": distinct, "ticktext": [words.number(value) for value in distinct]}
        if few
        else {}
    )
    return {"label": label(parameter.name), "values": numbers, **ticks}


def _places(parameter: Parameter, given: Sequence[Any]) -> list[int | None]:
    """The numbers of categorical values in their list: two long values may look alike, but are not
    drawn as one."""
    places = {str(value): place for place, value in enumerate(parameter.space.list)}
    return [None if value is None else places.get(str(value)) for value in given]


def _choices(parameter: Parameter) -> Figure:
    """Ticks for the values of a categorical parameter; some ticks show HTML as text, some as HTML,
    so there is none."""
    texts = [words.scalar(value).translate(_ANGLES) for value in parameter.space.list]
    shown = [text if len(text) <= MOST_TICK else f"{text[: MOST_TICK - 1]}…" for text in texts]
    return {"tickvals": list(range(len(shown))), "ticktext": shown}


def _log_dimension(parameter: Parameter, numbers: Sequence[float | None]) -> Figure:
    low, high = log10(parameter.low), log10(parameter.high)
    exponents = range(floor(low), floor(high) + 1)
    ticks = [exponent for exponent in exponents if low <= exponent <= high]
    return {
        "label": f"{label(parameter.name)} (log)",
        "range": [low, high],
        "values": [
            None if value is None or value <= 0 else short(log10(value)) for value in numbers
        ],
        "tickvals": ticks,
        "ticktext": [f"{10.0**exponent:g}" for exponent in ticks],
    }


def slices(subject: Subject, order: Sequence[str], objective: int = 0) -> Figure | None:
    """The value against each parameter; the colour is the trial's number."""
    spec = subject.experiment.spec
    ranked = [row for row in subject.trials if row.ranked]
    shown = [
        parameter
        for name in order[:MOST_SLICES]
        for parameter in spec.parameters
        if parameter.name == name
    ]
    if not ranked or not shown:
        return None
    rows = thinned(ranked, MOST_SLICE_POINTS // len(shown))
    columns, lines = min(3, len(shown)), -(-len(shown) // 3)
    layout, traces = framed(60 + 270 * lines, showlegend=False), []
    known = [row.known[objective] for row in rows]
    values, kind, metric = (
        [short(value) for value in known],
        scale_of(known),
        spec.all_objectives[objective].metric,
    )
    for place, parameter in enumerate(shown):
        suffix = str(place + 1) if place else ""
        line, column = divmod(place, columns)
        traces.append(_slice(parameter, rows, values, suffix))
        layout[f"xaxis{suffix}"] = _slice_axis(parameter, column, columns, suffix)
        layout[f"yaxis{suffix}"] = _slice_height(
            metric if column == 0 else "", line, lines, suffix, kind
        )
    return {"data": traces, "layout": layout}


def _slice(
    parameter: Parameter, rows: Sequence[TrialRow], values: Sequence[float | None], suffix: str
) -> Figure:
    numbers = [int(row.number) for row in rows]
    categorical = parameter.type is ParameterType.CATEGORICAL
    given = [row.assignment.get(parameter.name) for row in rows]
    xs = _places(parameter, given) if categorical else numbers_of(given)
    marker = {
        "color": numbers,
        "colorscale": LATER,
        "cmin": 0,
        "cmax": max(numbers),
        "size": 6,
        "opacity": 0.85,
    }
    return {
        "type": "scattergl" if len(rows) > 500 else "scatter",
        "mode": "markers",
        "x": xs,
        "y": values,
        "text": numbers,
        "xaxis": f"x{suffix}",
        "yaxis": f"y{suffix}",
        "marker": marker,
        "hovertemplate": "trial %{text}: %{y}<extra></extra>"
        if categorical
        else "trial %{text}<br>%{x}: %{y}<extra></extra>",
    }


def _slice_axis(parameter: Parameter, column: int, columns: int, suffix: str) -> Figure:
    width = (1 - 0.06 * (columns - 1)) / columns
    left = column * (width + 0.06)
    axis = {
        **axis_of(parameter.name),
        "domain": [left, min(1.0, left + width)],
        "anchor": f"y{suffix}",
    }
    if parameter.type is ParameterType.CATEGORICAL:
        return {**axis, **_choices(parameter), "range": [-0.5, len(parameter.space.list) - 0.5]}
    if parameter.space.distribution in LOGARITHMIC:
        return {**axis, "type": "log", "exponentformat": "power", "dtick": 1} | _wide(parameter)
    return axis


def _wide(parameter: Parameter) -> Figure:
    """Ticks at powers of ten only where there are enough of them."""
    return {} if parameter.high / parameter.low >= 100 else {"dtick": None}


def _slice_height(title: str, line: int, lines: int, suffix: str, kind: str) -> Figure:
    gap = 75 / (270 * lines)
    height = (1 - gap * (lines - 1)) / lines
    top = 1 - line * (height + gap)
    matches = {} if not suffix else {"matches": "y"}
    return {
        **axis_of(title, kind),
        "domain": [max(0.0, top - height), top],
        "anchor": f"x{suffix}",
        **matches,
    }
