"""The figures of values: their history, learning curves, and the importance of the parameters, for
plotly.js."""

from collections.abc import Mapping, Sequence

from controller.store.queries.trials import TrialRow
from controller.views import words
from controller.views.importance import Importance
from controller.views.report.drawing import (
    COLOURS,
    GOOD,
    LEGEND,
    MISSED,
    MOST_TICKS,
    PLAIN,
    SYMBOLS,
    Figure,
    axis_of,
    framed,
    label,
    scale_of,
    short,
)  # fmt: skip
from controller.views.report.subject import Subject
from events.facts import TrialState

Figures = Mapping[str, Figure]

MOST_BARS = 30
"""Parameters in the figure of importance."""


def history(subject: Subject, objective: int = 0) -> Figure | None:
    """Value by trial number, the best so far, and below them the trials without a value."""
    rows = subject.trials
    valued = [row for row in rows if row.at(objective) is not None]
    if not valued:
        return None
    target = subject.experiment.spec.all_objectives[objective]
    plain = [row for row in valued if not row.infeasible]
    traces = [
        _marks([row for row in plain if row.state is state], state, objective)
        for state in TrialState
    ]
    traces.append(_infeasible([row for row in valued if row.infeasible], objective))
    traces.append(_best_so_far(subject, objective))
    lost = [row for row in rows if row.at(objective) is None and row.concluded_at is not None]
    traces += [_lost([row for row in lost if row.state is state], state) for state in TrialState]
    layout = framed(
        460,
        xaxis=axis_of("trial"),
        yaxis=axis_of(target.metric, scale_of([row.at(objective) for row in valued])),
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
    return {
        **trace,
        "name": "infeasible",
        "marker": {**trace["marker"], "color": MISSED, "symbol": "x"},
    }


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
    return {"type": "scatter", "mode": "lines", "name": "best so far", "x": numbers, "y": steps,
        "line": line,
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
        "marker": {
            "color": COLOURS.get(state, PLAIN),
            "symbol": SYMBOLS.get(state, "line-ns-open"),
            "size": 7,
        },
        "hovertemplate": f"trial %{{x}}: {state.value}<extra></extra>",
    }


def _goal(goal: float, kind: str | None) -> Figure | None:
    line = {"color": GOOD, "width": 1, "dash": "dot"}
    visible = kind != "log" or goal > 0
    label = {"text": f"goal {words.number(goal)}", "font": {"color": GOOD}, "textposition": "end"}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": goal, "y1": goal, "line": line,
        "label": label,
            "visible": visible}  # fmt: skip


def importances(found: Importance) -> Figure:
    """Shares of the parameters as bars, the largest on top."""
    shown = list(reversed(found.shares[:MOST_BARS]))
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
    xaxis = {
        **axis_of("share of the explained difference"),
        "tickformat": ".0%",
        "rangemode": "tozero",
    }
    yaxis = {
        "automargin": True,
        "type": "category",
        "ticks": "outside",
        "ticklen": 6,
        "tickcolor": "rgba(0,0,0,0)",
    }
    return {
        "data": [bars],
        "layout": framed(max(180, 90 + 30 * len(shown)), xaxis=xaxis, yaxis=yaxis, bargap=0.35),
    }


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
        460,
        xaxis=axis_of("report"),
        yaxis=axis_of(subject.experiment.spec.first_objective.metric, scale_of(values)),
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
        "hovertemplate": (
            f"trial {row.number} ({row.state.value})<br>report %{{x}}: %{{y}}<extra></extra>"
        ),
    }
    seen.add(group)
    return trace
