"""The HTML page of a report: everything in one file, every user's text escaped."""

import html
import json
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from typing import Any

import yaml

from controller.cli import words
from controller.cli.report import figures
from controller.cli.report.importance import FEWEST, Importance, importance
from controller.cli.report.subject import MOST_CURVES, Subject
from controller.cli.show import algorithm_words, counts_words, state_words
from controller.cli.summary import in_order, metric_values, trial_counts
from controller.store.queries import TrialRow
from events.facts import TrialState

POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
"""No network at all; plotly.js compiles the programs of its WebGL figures, so it needs unsafe-eval."""
TRUSTED = 0.2
"""R² below which an estimate of importance is called weak."""
_IN_SCRIPT = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def page(subject: Subject) -> str:
    """The whole document."""
    identity = subject.experiment.identity
    matters = importance(identity.spec.parameters, subject.trials)
    drawn = _figures(subject, matters)
    cards = "\n".join(_cards(subject, matters, drawn))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(identity.name)} | Trialstream</title>
<style>{_file("controller.cli.report", "style.css")}</style></head><body>
{_header(subject)}
<main>
{_tiles(subject)}
{cards}
</main>
<footer>Written by Trialstream at {words.clock(subject.found.now)}. This file needs no network.</footer>
{_scripts(drawn)}
</body></html>
"""


def text(value: object) -> str:
    """A user's text in HTML, also within an attribute."""
    return html.escape(words.scalar(value))


def script_json(tree: Any) -> str:
    """JSON that may stand within a `script` element, whatever the strings in it."""
    plain = json.dumps(tree, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return "".join(_IN_SCRIPT.get(one, one) for one in plain) if any(one in plain for one in _IN_SCRIPT) else plain


def _file(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")


def _scripts(drawn: figures.Figures) -> str:
    if not drawn:
        return ""
    library = _file("plotly", "package_data/plotly.min.js")
    draw = _file("controller.cli.report", "draw.js")
    data = f'<script type="application/json" id="figures">{script_json(drawn)}</script>'
    return f"<script>{library}</script>\n{data}\n<script>{draw}</script>"


def _figures(subject: Subject, matters: Importance | None) -> figures.Figures:
    names = [parameter.name for parameter in subject.experiment.spec.parameters]
    order = [name for name, _ in matters.shares] if matters else names
    made = {
        "history": figures.history(subject),
        "parallel": figures.parallel(subject, order),
        "importance": figures.importances(matters) if matters else None,
        "slices": figures.slices(subject, order),
        "learning": figures.learning(subject),
    }
    return {name: figure for name, figure in made.items() if figure is not None}


def _header(subject: Subject) -> str:
    experiment = subject.experiment
    identity, state = experiment.identity, experiment.progress.state
    why = state_words(experiment)
    aim = f"{words.aim(experiment.spec.target)} · {algorithm_words(experiment)}"
    return f"""<header><div><div class="top"><h1>{text(identity.name)}</h1>
<span class="state {state}" title="{text(why)}">{state}</span></div>
<p>namespace {text(identity.namespace)} · {text(aim)}</p></div></header>"""


def _tiles(subject: Subject) -> str:
    experiment, found = subject.experiment, subject.found
    counts = trial_counts(experiment)
    best = subject.best
    took = ((found.concluded_at or found.now) - found.created_at).total_seconds()
    budget = experiment.spec.max_trial_count
    failed = counts[TrialState.FAILED] + counts[TrialState.METRICS_UNAVAILABLE]
    running = len(experiment.progress.live)
    tiles = [
        (f"best {experiment.spec.target.metric}", words.number(best.value if best else None), "best"),
        ("trials" + (f" of {budget:,}" if budget else ""), f"{experiment.progress.proposed:,}", ""),
        ("succeeded", f"{counts[TrialState.SUCCEEDED]:,}", ""),
        ("stopped early", f"{counts[TrialState.EARLY_STOPPED]:,}", ""),
        ("failed", f"{failed:,}", ""),
        *([("not concluded", f"{running:,}", "")] if running else []),
        ("took" if found.concluded_at else "so far", words.duration(took), ""),
    ]
    inner = "".join(
        f'<div class="tile {kind}"><b>{text(value)}</b><span>{text(name)}</span></div>' for name, value, kind in tiles
    )
    return f'<div class="tiles">{inner}</div>'


def _cards(subject: Subject, matters: Importance | None, drawn: figures.Figures) -> Iterator[str]:
    sampled = _sampled(subject)
    yield _figure("Optimisation history", f"Each trial's value, and the best so far.{sampled}", "history", drawn)
    if not drawn:
        yield _card("No results yet", "No trial has a value yet; there is nothing to draw.", "")
    yield f'<div class="pair">{_best(subject)}{_importance(subject, matters, drawn)}</div>'
    told = "One line a trial; drag along an axis to select a range, drag a name to move the axis."
    yield _figure("Parallel coordinates", told, "parallel", drawn)
    yield _figure("Each parameter alone", f"Later trials are darker.{sampled}", "slices", drawn)
    curves = f"What each trial reported, report by report; at most {MOST_CURVES} trials, the best ones among them."
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
    rows = [(name, words.number(value)) for name, value in metrics.items()]
    rows += [(name, words.scalar(value)) for name, value in in_order(subject.experiment, best.assignment).items()]
    inner = "".join(f'<tr><th>{text(name)}</th><td class="n">{text(value)}</td></tr>' for name, value in rows)
    return _card(f"Best: trial {best.number}", "Its metrics and parameters.", f"<table>{inner}</table>")


def _importance(subject: Subject, matters: Importance | None, drawn: figures.Figures) -> str:
    if matters is None:
        if not drawn:
            return ""
        told = f"Needs at least {FEWEST} trials with values that differ."
        return _card("Parameter importance", told, "")
    told = (
        "How much worse a random forest ranks unseen trials when one parameter is shuffled; "
        f"from {matters.trials:,} trials. "
        f"The forest explains {matters.explained:.0%} of the differences in rank"
    )
    told += ": too little to trust this much." if matters.explained < TRUSTED else "."
    return _figure("Parameter importance", told, "importance", drawn)


def _ranking(subject: Subject) -> str:
    rows = subject.ranking
    if not rows:
        return ""
    spec = subject.experiment.spec
    names = [parameter.name for parameter in spec.parameters]
    head = _cells("th", ["trial", "state", spec.target.metric, "took", *names], 2)
    body = "".join(_ranked(row, names, subject) for row in rows)
    told = f"{counts_words(subject.experiment)}. The best {len(rows):,} are listed." if len(rows) > 1 else ""
    table = f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'
    return _card("Trials", text(told), table)


def _ranked(row: TrialRow, names: Sequence[str], subject: Subject) -> str:
    ended = row.concluded_at or subject.found.now
    took = words.duration((ended - row.started_at).total_seconds()) if row.started_at else "-"
    cause = f"{words.CAUSES[row.cause]}: {row.message}" if row.cause and row.message else ""
    state = f'<td class="{row.state}" title="{text(cause)}"><span class="dot"></span>{row.state}</td>'
    given = [words.scalar(row.assignment[name]) if name in row.assignment else "-" for name in names]
    return f"<tr><td>{row.number}</td>{state}{_cells('td', [words.number(row.value), took, *given], 0)}</tr>"


def _cells(tag: str, values: Iterable[str], numbers_from: int) -> str:
    kinds = ((" class=n" if place >= numbers_from else "", value) for place, value in enumerate(values))
    return "".join(f"<{tag}{kind}>{text(value)}</{tag}>" for kind, value in kinds)


def _spec(subject: Subject) -> str:
    tree = subject.experiment.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    written = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=110)
    inner = f"<details><summary>The spec</summary><pre>{html.escape(written)}</pre></details>"
    return f'<section class="card">{inner}</section>'
