"""The HTML page of a report: everything in one file, every user's text escaped."""

import html
import json
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from typing import Any

import yaml

from controller.core.best import front_volume
from controller.store.queries.trials import TrialRow
from controller.views import words
from controller.views.fronts import outcome_metrics
from controller.views.importance import FEWEST, Importance, importance
from controller.views.report import figures, fronts, parameters
from controller.views.report.subject import MOST_CURVES, MOST_RANKED, Subject
from controller.views.summary import (
    algorithm_words,
    counts_words,
    in_order,
    metric_values,
    state_words,
    trial_counts,
)
from events.facts import TrialState

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:"
)
"""No network at all; plotly.js compiles the programs of its WebGL figures, so it needs unsafe-eval.
"""
Matters = Sequence[Importance | None]
"""How much each parameter matters for each objective."""
TRUSTED = 0.2
"""R² below which an estimate of importance is called weak."""
_IN_SCRIPT = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def page(subject: Subject) -> str:
    """The whole document."""
    identity = subject.experiment.identity
    spec = identity.spec
    matters = [
        importance(spec.parameters, subject.trials, place)
        for place in range(len(spec.all_objectives))
    ]
    drawn = _figures(subject, matters)
    cards = "\n".join(_cards(subject, matters, drawn))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(identity.name)} | Trialstream</title>
<style>{_file("controller.views.report", "style.css")}</style></head><body>
{_header(subject)}
<main>
{_tiles(subject)}
{cards}
</main>
<footer>Written by Trialstream at {words.clock(subject.snapshot.now)}.
This file needs no network.</footer>
{_scripts(drawn)}
</body></html>
"""


def text(value: object) -> str:
    """A user's text in HTML, also within an attribute."""
    return html.escape(words.scalar(value))


def script_json(tree: Any) -> str:
    """JSON that may stand within a `script` element, whatever the strings in it."""
    plain = json.dumps(tree, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return (
        "".join(_IN_SCRIPT.get(one, one) for one in plain)
        if any(one in plain for one in _IN_SCRIPT)
        else plain
    )


def _file(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")


def _scripts(drawn: figures.Figures) -> str:
    if not drawn:
        return ""
    library = _file("plotly", "package_data/plotly.min.js")
    draw = _file("controller.views.report", "draw.js")
    data = f'<script type="application/json" id="figures">{script_json(drawn)}</script>'
    return f"<script>{library}</script>\n{data}\n<script>{draw}</script>"


def _figures(subject: Subject, matters: Matters) -> figures.Figures:
    names = [parameter.name for parameter in subject.experiment.spec.parameters]
    orders = [[name for name, _ in one.shares] if one else names for one in matters]
    made = {
        "tradeoffs": fronts.tradeoffs(subject),
        "volumes": fronts.volumes(subject),
        "parallel": parameters.parallel(subject, orders[0]),
        "learning": figures.learning(subject),
    }
    for place, (one, order) in enumerate(zip(matters, orders, strict=True)):
        made[_numbered("history", place)] = figures.history(subject, place)
        made[_numbered("importance", place)] = figures.importances(one) if one else None
        made[_numbered("slices", place)] = parameters.slices(subject, order, place)
    return {name: figure for name, figure in made.items() if figure is not None}


def _numbered(name: str, objective: int) -> str:
    """The name of one objective's figure."""
    return f"{name}{objective + 1}" if objective else name


def _header(subject: Subject) -> str:
    experiment = subject.experiment
    identity, state = experiment.identity, experiment.progress.state
    why = state_words(experiment)
    aim = f"{words.objectives_words(experiment.spec)} · {algorithm_words(experiment)}"
    return f"""<header><div><div class="top"><h1>{text(identity.name)}</h1>
<span class="state {state}" title="{text(why)}">{state}</span></div>
<p>namespace {text(identity.namespace)} · {text(aim)}</p></div></header>"""


def _tiles(subject: Subject) -> str:
    experiment, snapshot = subject.experiment, subject.snapshot
    counts = trial_counts(experiment)
    took = ((snapshot.concluded_at or snapshot.now) - snapshot.created_at).total_seconds()
    budget = experiment.spec.max_trial_count
    failed = counts[TrialState.FAILED] + counts[TrialState.METRICS_UNAVAILABLE]
    running = len(experiment.progress.live)
    tiles = [
        *_standing(subject),
        ("trials" + (f" of {budget:,}" if budget else ""), f"{experiment.progress.proposed:,}", ""),
        ("succeeded", f"{counts[TrialState.SUCCEEDED]:,}", ""),
        ("stopped early", f"{counts[TrialState.EARLY_STOPPED]:,}", ""),
        ("failed", f"{failed:,}", ""),
        *([("not concluded", f"{running:,}", "")] if running else []),
        ("took" if snapshot.concluded_at else "so far", words.duration(took), ""),
    ]
    inner = "".join(
        f'<div class="tile {kind}"><b>{text(value)}</b><span>{text(name)}</span></div>'
        for name, value, kind in tiles
    )
    return f'<div class="tiles">{inner}</div>'


def _standing(subject: Subject) -> Iterator[tuple[str, str, str]]:
    """Tiles: the best value or the front, and how many trials miss a constraint."""
    experiment = subject.experiment
    if experiment.spec.multi_objective:
        yield "on the Pareto front", f"{len(subject.front):,}", "best"
        yield "hypervolume", words.number(front_volume(experiment)), ""
    else:
        value = subject.best.value if subject.best else None
        yield f"best {experiment.spec.first_objective.metric}", words.number(value), "best"
    if experiment.spec.outcome_constraints:
        yield "infeasible", f"{experiment.progress.infeasible:,}", ""


def _cards(subject: Subject, matters: Matters, drawn: figures.Figures) -> Iterator[str]:
    sampled, targets = _sampled(subject), subject.experiment.spec.all_objectives
    yield _figure("Trade-offs", f"Each trial by its objectives.{sampled}", "tradeoffs", drawn)
    yield _figure(
        "Hypervolume",
        f"From {text(fronts.volume_words(subject))}: the more, the better.",
        "volumes",
        drawn,
    )
    yield _front(subject)
    for place, target in enumerate(targets):
        of = f" of {text(target.metric)}" if len(targets) > 1 else ""
        told = f"Each trial's value, and the best so far.{sampled}"
        yield _figure(f"Optimisation history{of}", told, _numbered("history", place), drawn)
    if not drawn:
        yield _card("No results yet", "No trial has a value yet; there is nothing to draw.", "")
    cards = "".join(_importance(subject, place, one, drawn) for place, one in enumerate(matters))
    yield f'<div class="{"even" if len(targets) > 1 else "pair"}">{_best(subject)}{cards}</div>'
    told = "One line a trial; drag along an axis to select a range, drag a name to move the axis."
    yield _figure("Parallel coordinates", told, "parallel", drawn)
    for place, target in enumerate(targets):
        of = f", by {text(target.metric)}" if len(targets) > 1 else ""
        told = f"Later trials are darker.{sampled}"
        yield _figure(f"Each parameter alone{of}", told, _numbered("slices", place), drawn)
    curves = (
        f"What each trial reported, report by report; at most {MOST_CURVES} trials, the best ones "
        "among them."
    )
    yield _figure("Learning curves", curves, "learning", drawn)
    yield _ranking(subject)
    yield _spec(subject)


def _sampled(subject: Subject) -> str:
    if not subject.thinned:
        return ""
    shown, proposed = len(subject.trials), subject.experiment.progress.proposed
    return f" Shown are {shown:,} of {proposed:,} trials, the best ones among them."


def _figure(title: str, told: str, name: str, drawn: figures.Figures) -> str:
    if name not in drawn:
        return ""
    return _card(title, told, f'<div data-figure="{name}"></div>')


def _card(title: str, told: str, inner: str) -> str:
    """A part of the page; all three are HTML."""
    return f'<section class="card"><h2>{title}</h2><p>{told}</p>{inner}</section>'


def _best(subject: Subject) -> str:
    best = subject.best
    if best is None:
        return ""
    metrics = metric_values(subject.experiment, best)
    rows = [(name, words.value(value)) for name, value in metrics.items()]
    rows += [
        (name, words.scalar(value))
        for name, value in in_order(subject.experiment, best.assignment).items()
    ]
    inner = "".join(
        f'<tr><th>{text(name)}</th><td class="n">{text(value)}</td></tr>' for name, value in rows
    )
    return _card(
        f"Best: trial {best.number}", "Its metrics and parameters.", f"<table>{inner}</table>"
    )


def _front(subject: Subject) -> str:
    if not subject.front:
        return ""
    experiment, shown = subject.experiment, subject.front[:MOST_RANKED]
    metrics = list(dict.fromkeys((*outcome_metrics(experiment), *experiment.spec.metrics)))
    names = [parameter.name for parameter in experiment.spec.parameters]
    head = _cells("th", ["trial", *metrics, *names], 0)
    body = ""
    for row in shown:
        known, given = metric_values(experiment, row), in_order(experiment, row.assignment)
        cells = [str(row.number), *(words.value(known.get(one)) for one in metrics)]
        cells += [words.scalar(given.get(one, "-")) for one in names]
        body += f"<tr>{_cells('td', cells, 0)}</tr>"
    told = (
        f"{words.count(len(subject.front), 'trial')} that no other beats; the first "
        f"{len(shown):,} are listed."
    )
    return _card(
        "Pareto front", told, f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'
    )


def _importance(
    subject: Subject, objective: int, matters: Importance | None, drawn: figures.Figures
) -> str:
    spec = subject.experiment.spec
    metric = text(spec.all_objectives[objective].metric)
    title = f"Parameter importance{f' for {metric}' if spec.multi_objective else ''}"
    if matters is None:
        if not drawn:
            return ""
        told = f"Needs at least {FEWEST} trials with values that differ."
        return _card(title, told, "")
    told = (
        "How much worse a random forest ranks unseen trials when one parameter is shuffled; "
        f"from {matters.trials:,} trials. "
        f"The forest explains {matters.explained:.0%} of the differences in rank"
    )
    told += ": too little to trust this much." if matters.explained < TRUSTED else "."
    return _figure(title, told, _numbered("importance", objective), drawn)


def _ranking(subject: Subject) -> str:
    rows = subject.ranking
    if not rows:
        return ""
    spec = subject.experiment.spec
    names = [parameter.name for parameter in spec.parameters]
    head = _cells(
        "th",
        ["trial", "state", *(target.metric for target in spec.all_objectives), "took", *names],
        2,
    )
    body = "".join(_ranked(row, names, subject) for row in rows)
    told = (
        f"{counts_words(subject.experiment)}. The best {len(rows):,} are listed."
        if len(rows) > 1
        else ""
    )
    table = f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'
    return _card("Trials", text(told), table)


def _ranked(row: TrialRow, names: Sequence[str], subject: Subject) -> str:
    ended = row.concluded_at or subject.snapshot.now
    took = words.duration((ended - row.started_at).total_seconds()) if row.started_at else "-"
    cause = f"{words.CAUSES[row.cause]}: {row.message}" if row.cause and row.message else ""
    values = [
        words.number(row.at(place)) for place in range(len(subject.experiment.spec.all_objectives))
    ]
    state = (
        f'<td class="{row.state}" title="{text(cause)}"><span class="dot"></span>{row.state}</td>'
    )
    given = [
        words.scalar(row.assignment[name]) if name in row.assignment else "-" for name in names
    ]
    return f"<tr><td>{row.number}</td>{state}{_cells('td', [*values, took, *given], 0)}</tr>"


def _cells(tag: str, values: Iterable[str], numbers_from: int) -> str:
    kinds = (
        (" class=n" if place >= numbers_from else "", value) for place, value in enumerate(values)
    )
    return "".join(f"<{tag}{kind}>{text(value)}</{tag}>" for kind, value in kinds)


def _spec(subject: Subject) -> str:
    tree = subject.experiment.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    written = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=110)
    inner = f"<details><summary>The spec</summary><pre>{html.escape(written)}</pre></details>"
    return f'<section class="card">{inner}</section>'
