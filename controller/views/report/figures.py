"""The figures of a report as plain data for plotly.js: users' text escaped, numbers short, points bounded."""

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import Any

from algorithms.space.dimension import LOGARITHMIC
from controller.store.queries.trials import TrialRow
from controller.views import words
from controller.views.importance import Importance
from controller.views.report.drawing import (
    COLOURS,
    GOOD,
    INK,
    LATER,
    LEGEND,
    MISSED,
    PLAIN,
    SCALE,
    SYMBOLS,
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
from events.facts import TrialState
from events.spec.space import Parameter, ParameterType

Figures = Mapping[str, Figure]

MOST_SLICES, MOST_SLICE_POINTS = 30, 40_000
MOST_AXES, MOST_LINES = 12, 2000
MOST_TICK, MOST_TICKS = 20, 12
_ANGLES = {ord("<"): "\u2039", ord(">"): "\u203a"}


def history(subject: Subject, objective: int = 0) -> Figure | None:
    """Value by trial number, the best so far, and below them the trials without a value."""
    rows = subject.trials
    valued = [row for row in rows if row.at(objective) is not None]
    if not valued:
        return None
    target = subject.experiment.spec.all_objectives[objective]
    plain = [row for row in valued if not row.infeasible]
    traces = [_marks([row for row in plain if row.state is state], state, objective) for state in TrialState]
    traces.append(_infeasible([row for row in valued if row.infeasible], objective))
    traces.append(_best_so_far(subject, objective))
    lost = [row for row in rows if row.at(objective) is None and row.concluded_at is not None]
    traces += [_lost([row for row in lost if row.state is state], state) for state in TrialState]
    layout = framed(
        460, xaxis=axis_of("trial"), yaxis=axis_of(target.metric, scale_of([row.at(objective) for row in valued]))
    )
    layout["xaxis"] |= {"anchor": "free", "position": 0}
    layout["yaxis"]["domain"] = [0.12 if lost else 0, 1]
    layout["yaxis2"] = {"domain": [0, 0.06], "range": [-1, 1], "visible": False, "fixedrange": True}
    layout["legend"] = LEGEND
    if target.goal is not None:
        layout["shapes"] = [_goal(target.goal, layout["yaxis"].get("type"))]
    return {"data": [trace for trace in traces if trace["x"]], "layout": layout}


def _infeasible(rows: Sequence[TrialRow], objective: int) -> Figure:
    """Trials that miss an outcome constraint."""
    trace = _marks(rows, TrialState.SUCCEEDED, objective)
    return {**trace, "name": "infeasible", "marker": {**trace["marker"], "color": MISSED, "symbol": "x"}}


def _marks(rows: Sequence[TrialRow], state: TrialState, objective: int) -> Figure:
    marker = {
        "color": COLOURS.get(state, PLAIN),
        "symbol": SYMBOLS.get(state, "circle"),
        "size": 7 if len(rows) < 2000 else 4,
        "opacity": 0.75,
    }
    return {
        "type": "scattergl" if len(rows) > 2000 else "scatter",
        "mode": "markers",
        "name": state.value,
        "x": [row.number for row in rows],
        "y": [short(row.at(objective)) for row in rows],
        "marker": marker,
        "hovertemplate": "trial %{x}: %{y}<extra></extra>",
    }


def _best_so_far(subject: Subject, objective: int) -> Figure:
    target, best, numbers, steps = subject.experiment.spec.all_objectives[objective], None, [], []
    for row in subject.trials:
        if row.ranked and (best is None or target.better(row.known[objective], best)):
            best = row.known[objective]
            numbers.append(int(row.number))
            steps.append(short(best))
    if numbers:
        numbers.append(max(row.number for row in subject.trials))
        steps.append(steps[-1])
    line = {"color": GOOD, "width": 2.5, "shape": "hv"}
    return {"type": "scatter", "mode": "lines", "name": "best so far", "x": numbers, "y": steps, "line": line,
            "hovertemplate": "best so far: %{y}<extra></extra>"}  # fmt: skip


def _lost(rows: Sequence[TrialRow], state: TrialState) -> Figure:
    """Trials without a value, as marks on a line of their own."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{state.value} (no value)",
        "x": [row.number for row in rows],
        "y": [0] * len(rows),
        "yaxis": "y2",
        "marker": {"color": COLOURS.get(state, PLAIN), "symbol": SYMBOLS.get(state, "line-ns-open"), "size": 7},
        "hovertemplate": f"trial %{{x}}: {state.value}<extra></extra>",
    }


def _goal(goal: float, kind: str | None) -> Figure | None:
    line = {"color": GOOD, "width": 1, "dash": "dot"}
    visible = kind != "log" or goal > 0
    label = {"text": f"goal {words.number(goal)}", "font": {"color": GOOD}, "textposition": "end"}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": goal, "y1": goal, "line": line, "label": label,
            "visible": visible}  # fmt: skip


def parallel(subject: Subject, order: Sequence[str]) -> Figure | None:
    """Parallel coordinates of the trials with a value; the parameters that matter most, if they are too many."""
    spec = subject.experiment.spec
    rows = thinned([row for row in subject.trials if row.ranked], MOST_LINES)
    if len(rows) < 2 or not spec.parameters:
        return None
    known = {parameter.name: parameter for parameter in spec.parameters}
    chosen = [known[name] for name in order[:MOST_AXES]]
    values = [short(row.known[0]) for row in rows]
    dimensions = [_dimension(parameter, rows) for parameter in chosen]
    for place, target in enumerate(spec.all_objectives):
        dimensions.append({"label": label(target.metric), "values": [short(row.known[place]) for row in rows]})
    better_low = spec.first_objective.type.value == "minimize"
    ordered = sorted(value for value in values if value is not None)
    bounds = (
        [ordered[0], ordered[round(0.9 * (len(ordered) - 1))]]
        if better_low
        else [ordered[len(ordered) // 10], ordered[-1]]
    )
    line = {"color": values, "colorscale": SCALE, "reversescale": better_low, "showscale": True,
            "cmin": bounds[0], "cmax": bounds[1], "colorbar": {"thickness": 12, "outlinewidth": 0}}  # fmt: skip
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
        return {"label": label(parameter.name), "values": _places(parameter, given), **_choices(parameter)}
    numbers = numbers_of(given)
    if parameter.space.distribution in LOGARITHMIC:
        return _log_dimension(parameter, numbers)
    distinct = sorted({value for value in numbers if value is not None})
    few = parameter.type is not ParameterType.DOUBLE and len(distinct) <= MOST_TICKS
    ticks = {"tickvals": distinct, "ticktext": [words.number(value) for value in distinct]} if few else {}
    return {"label": label(parameter.name), "values": numbers, **ticks}


def _places(parameter: Parameter, given: Sequence[Any]) -> list[int | None]:
    """The numbers of categorical values in their list: two long values may look alike, but are not drawn as one."""
    places = {str(value): place for place, value in enumerate(parameter.space.list)}
    return [None if value is None else places.get(str(value)) for value in given]


def _choices(parameter: Parameter) -> Figure:
    """Ticks for the values of a categorical parameter; some ticks show HTML as text, some as HTML, so there is none."""
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
        "values": [None if value is None or value <= 0 else short(log10(value)) for value in numbers],
        "tickvals": ticks,
        "ticktext": [f"{10.0**exponent:g}" for exponent in ticks],
    }


def slices(subject: Subject, order: Sequence[str], objective: int = 0) -> Figure | None:
    """The value against each parameter; the colour is the trial's number."""
    spec = subject.experiment.spec
    ranked = [row for row in subject.trials if row.ranked]
    shown = [parameter for name in order[:MOST_SLICES] for parameter in spec.parameters if parameter.name == name]
    if not ranked or not shown:
        return None
    rows = thinned(ranked, MOST_SLICE_POINTS // len(shown))
    columns, lines = min(3, len(shown)), -(-len(shown) // 3)
    layout, traces = framed(60 + 270 * lines, showlegend=False), []
    known = [row.known[objective] for row in rows]
    values, kind, metric = [short(value) for value in known], scale_of(known), spec.all_objectives[objective].metric
    for place, parameter in enumerate(shown):
        suffix = str(place + 1) if place else ""
        line, column = divmod(place, columns)
        traces.append(_slice(parameter, rows, values, suffix))
        layout[f"xaxis{suffix}"] = _slice_axis(parameter, column, columns, suffix)
        layout[f"yaxis{suffix}"] = _slice_height(metric if column == 0 else "", line, lines, suffix, kind)
    return {"data": traces, "layout": layout}


def _slice(parameter: Parameter, rows: Sequence[TrialRow], values: Sequence[float | None], suffix: str) -> Figure:
    numbers = [int(row.number) for row in rows]
    categorical = parameter.type is ParameterType.CATEGORICAL
    given = [row.assignment.get(parameter.name) for row in rows]
    xs = _places(parameter, given) if categorical else numbers_of(given)
    marker = {"color": numbers, "colorscale": LATER, "cmin": 0, "cmax": max(numbers), "size": 6, "opacity": 0.85}
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
    axis = {**axis_of(parameter.name), "domain": [left, min(1.0, left + width)], "anchor": f"y{suffix}"}
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
    return {**axis_of(title, kind), "domain": [max(0.0, top - height), top], "anchor": f"x{suffix}", **matches}


def importances(found: Importance) -> Figure:
    """Shares of the parameters as bars, the largest on top."""
    shown = list(reversed(found.shares[:MOST_SLICES]))
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [short(share) for _, share in shown],
        "y": [label(name) for name, _ in shown],
        "text": [f" {share:.0%} " for _, share in shown],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": PLAIN},
        "hovertemplate": "%{y}: %{x:.1%}<extra></extra>",
    }
    xaxis = {**axis_of("share of the explained difference"), "tickformat": ".0%", "rangemode": "tozero"}
    yaxis = {"automargin": True, "type": "category", "ticks": "outside", "ticklen": 6, "tickcolor": "rgba(0,0,0,0)"}
    return {"data": [bars], "layout": framed(max(180, 90 + 30 * len(shown)), xaxis=xaxis, yaxis=yaxis, bargap=0.35)}


def learning(subject: Subject) -> Figure | None:
    """The objective's metric by report, one line a trial, the best one on top."""
    if not any(len(curve) > 1 for curve in subject.curves.values()):
        return None
    best = subject.best.number if subject.best else None
    numbers = sorted(subject.curves, key=lambda number: (number == best, number))
    seen: set[str] = set()
    traces = [_curve(subject, subject.shown[number], number == best, seen) for number in numbers]
    values = [value for curve in subject.curves.values() for _, value in curve]
    layout = framed(
        460, xaxis=axis_of("report"), yaxis=axis_of(subject.experiment.spec.first_objective.metric, scale_of(values))
    )
    layout["legend"] = LEGEND
    layout["hovermode"] = "closest"
    if max(step for curve in subject.curves.values() for step, _ in curve) <= MOST_TICKS:
        layout["xaxis"]["dtick"] = 1
    return {"data": traces, "layout": layout}


def _curve(subject: Subject, row: TrialRow, best: bool, seen: set[str]) -> Figure:
    curve = subject.curves[row.number]
    group = f"best: trial {row.number}" if best else row.state.value
    line = {"color": GOOD if best else COLOURS.get(row.state, PLAIN), "width": 3 if best else 1.2}
    trace = {
        "type": "scatter",
        "mode": "lines" if len(curve) > 1 else "markers",
        "x": [step for step, _ in curve],
        "y": [short(value) for _, value in curve],
        "name": group,
        "legendgroup": group,
        "showlegend": group not in seen,
        "line": line,
        "marker": {"color": line["color"]},
        "opacity": 1 if best else 0.55,
        "hovertemplate": f"trial {row.number} ({row.state.value})<br>report %{{x}}: %{{y}}<extra></extra>",
    }
    seen.add(group)
    return trace
