"""The figures of several objectives: every pair of them against each other, and the hypervolume as
it grew."""

from collections.abc import Sequence
from itertools import combinations

from controller.core.best import MOST_MEMBERS, reference_point
from controller.core.pareto import Losses, added, covers, crowding
from controller.store.queries.trials import TrialRow
from controller.views import words
from controller.views.report.drawing import (
    GOOD,
    LEGEND,
    MISSED,
    PLAIN,
    Figure,
    axis_of,
    framed,
    scale_of,
    short,
)
from controller.views.report.subject import Subject
from events.spec.objective import Direction


def tradeoffs(subject: Subject) -> Figure | None:
    """One scatter for each pair of objectives: the front, other trials, and those that miss a
    constraint."""
    targets = subject.experiment.spec.all_objectives
    rows = [row for row in subject.trials if row.ranked or row.infeasible]
    if len(targets) < 2 or not rows:
        return None
    members = {row.number for row in subject.front}
    groups = [
        ("infeasible", MISSED, "x", [row for row in rows if row.infeasible]),
        (
            "other trials",
            PLAIN,
            "circle",
            [row for row in rows if row.ranked and row.number not in members],
        ),
        ("Pareto front", GOOD, "diamond", list(subject.front)),
    ]
    pairs = list(combinations(range(len(targets)), 2))
    columns, lines = min(3, len(pairs)), -(-len(pairs) // 3)
    drawn, traces = (
        framed(460 if len(pairs) == 1 else 60 + 340 * lines, legend=LEGEND, hovermode="closest"),
        [],
    )
    for place, pair in enumerate(pairs):
        suffix = str(place + 1) if place else ""
        for name, colour, symbol, shown in groups:
            if shown:
                traces.append(_scatter(shown, pair, suffix, (name, colour, symbol)))
        if len(pairs) == 1 and subject.front:
            low_first = targets[0].type is Direction.MINIMIZE
            traces[-1] |= {
                "mode": "lines+markers",
                "line": {"shape": "hv" if low_first else "vh", "color": GOOD},
            }
        for letter, one, domain in zip("xy", pair, _cell(place, columns, lines), strict=True):
            kind = scale_of([row.values[one] for row in rows])
            anchor = {"domain": domain, "anchor": f"{'y' if letter == 'x' else 'x'}{suffix}"}
            ticks = {"dtick": 1} if kind == "log" else {}
            drawn[f"{letter}axis{suffix}"] = {
                **axis_of(targets[one].metric, kind),
                **anchor,
                **ticks,
            }
    return {"data": traces, "layout": drawn}


def _scatter(
    rows: Sequence[TrialRow], pair: tuple[int, int], suffix: str, look: tuple[str, str, str]
) -> Figure:
    name, colour, symbol = look
    front = name == "Pareto front"
    shown = sorted(rows, key=lambda row: row.known[pair[0]]) if front else rows
    return {
        "type": "scattergl" if len(rows) > 1000 else "scatter",
        "mode": "markers",
        "name": name,
        "legendgroup": name,
        "showlegend": not suffix,
        "x": [short(row.values[pair[0]]) for row in shown],
        "y": [short(row.values[pair[1]]) for row in shown],
        "text": [int(row.number) for row in shown],
        "xaxis": f"x{suffix}",
        "yaxis": f"y{suffix}",
        "marker": {
            "color": colour,
            "symbol": symbol,
            "size": 9 if front else 7,
            "opacity": 1 if front else 0.6,
        },
        "hovertemplate": f"trial %{{text}} ({name})<br>%{{x}}, %{{y}}<extra></extra>",
    }


def _cell(place: int, columns: int, lines: int) -> tuple[list[float], list[float]]:
    """Where the `place`-th of several plots lies, as shares of the width and of the height."""
    line, column = divmod(place, columns)
    width = (1 - 0.09 * (columns - 1)) / columns
    height = (1 - 0.2 * (lines - 1)) / lines
    left, top = column * (width + 0.09), 1 - line * (height + 0.2)
    return [left, min(1.0, left + width)], [max(0.0, top - height), top]


def volumes(subject: Subject) -> Figure | None:
    """The hypervolume of the front after each conclusion that changed it."""
    spec, point = subject.experiment.spec, reference_point(subject.experiment)
    if not spec.multi_objective or point is None:
        return None
    corner = spec.losses(point)
    numbers, values, volume = [0], [0.0], 0.0
    front: list[Losses] = []
    ordered = sorted(
        (row for row in subject.trials if row.ordinal), key=lambda row: row.ordinal or 0
    )
    for row in ordered:
        losses = spec.losses(row.known) if row.ranked else ()
        if not losses or any(covers(one, losses) for one in front):
            continue
        volume += added(losses, front, corner)
        front = _bounded([*(one for one in front if not covers(losses, one)), losses])
        numbers.append(row.ordinal or 0)
        values.append(volume)
    if len(numbers) == 1:
        return None
    numbers.append(max(row.ordinal or 0 for row in ordered))
    line = {"color": GOOD, "width": 2.5, "shape": "hv"}
    trace = {"type": "scatter", "mode": "lines", "x": numbers,
        "y": [short(one) for one in (*values, values[-1])],
             "line": line, "hovertemplate": "after %{x} trials: %{y}<extra></extra>"}  # fmt: skip
    drawn = framed(
        360,
        xaxis=axis_of("concluded trials"),
        yaxis={**axis_of("hypervolume"), "rangemode": "tozero"},
    )
    return {"data": [trace], "layout": drawn}


def volume_words(subject: Subject) -> str:
    """What the hypervolume is measured from."""
    point = reference_point(subject.experiment)
    return "" if point is None else words.aimed(subject.experiment.spec, point)


def _bounded(front: list[Losses]) -> list[Losses]:
    """Without the most crowded point but the newest, if they are too many to compute with."""
    if len(front) > MOST_MEMBERS:
        distances = crowding(front)[:-1]
        front.pop(distances.index(min(distances)))
    return front
