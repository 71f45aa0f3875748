"""The tables of the benchmark `quality` as Markdown, and its figures."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from benchmarks.quality.problem import Half, Kind
from benchmarks.quality.problems import ROWS, problem
from benchmarks.quality.results import Result
from benchmarks.quality.scores import Estimate, Scores, mean, ratio

BUDGETS = (25, 50, 100, 200)
RATIO_BUDGET = 100
WHOLE_SHARE = 0.9
"""A contender with this share of the most pairs counts among those that were run in full."""
SEEDS = 5
"""Ranks among slow contenders are reported with so many runs of each problem; fewer say little."""
TPE, GP = "optuna.tpe", "optuna.gp"


@dataclass(frozen=True, slots=True)
class Shown:
    """All results that are shown, by the number of workers."""

    champion: str
    results: tuple[Result, ...]
    scores: Mapping[int, Scores]

    def milliseconds(self, contender: str) -> tuple[float, float, float] | None:
        """Mean, median and 99th percentile of a trial's ask and tell, the medians over the runs."""
        mine = [one for one in self.results if one.key.contender == contender]
        if not mine:
            return None
        return (
            median(one.ms_mean for one in mine),
            median(one.ms_p50 for one in mine),
            median(one.ms_p99 for one in mine),
        )

    def half(self, workers: int, half: Half) -> Scores:
        return self.scores[workers].on(row.name for row in ROWS if row.half is half)

    def kind(self, workers: int, kind: Kind, half: Half) -> Scores:
        return self.scores[workers].on(
            row.name for row in ROWS if row.kind is kind and row.half is half
        )


def shown(champion: str, results: Iterable[Result]) -> Shown:
    listed = tuple(results)
    trials = max((one.trials for one in listed), default=1)
    workers = sorted({one.key.workers for one in listed})
    scores = {
        count: Scores.of([one for one in listed if one.key.workers == count], problem, trials)
        for count in workers
    }
    return Shown(champion, listed, scores)


@dataclass(frozen=True, slots=True)
class Field:
    """Contenders on the pairs that all of them have, read at some budgets."""

    scores: Scores
    budgets: tuple[int, ...]
    regrets: Estimate
    ranks: Estimate

    @property
    def seeds(self) -> float:
        """The mean number of runs of a problem."""
        return len(self.scores.pairs) / len({name for name, _ in self.scores.pairs})

    @property
    def order(self) -> list[int]:
        """Rows by regret at the last budget at which most are compared (100 where there is one),
        best first."""
        column = self.budgets.index(RATIO_BUDGET) if RATIO_BUDGET in self.budgets else -1
        return [int(row) for row in np.argsort(self.regrets.mean[:, column], kind="stable")]


def fields(scores: Scores, budgets: Sequence[int] = BUDGETS) -> list[Field]:
    """Those run in full at the largest budget; then these and slower ones, one more each time, on
    what they share."""
    within = [budget for budget in budgets if budget <= scores.regrets.shape[2]]
    if not within or not scores.pairs:
        return []
    counts = scores.counts(within[-1])
    whole = [
        name
        for name, count in counts.items()
        if count and count >= WHOLE_SHARE * max(counts.values())
    ]
    found = [_field(scores, whole, within)] if whole else []
    fewer = {
        name: count
        for name, count in scores.counts(within[0]).items()
        if count and name not in whole
    }
    for least in sorted(set(fewer.values()), reverse=True):
        names = [name for name in scores.contenders if name in whole or fewer.get(name, 0) >= least]
        shared = [budget for budget in within if all(scores.counts(budget)[name] for name in names)]
        found.append(_field(scores, names, shared))
    return [one for one in found if one.scores.pairs]


def _field(scores: Scores, contenders: Sequence[str], budgets: Sequence[int]) -> Field:
    common = scores.among(contenders, budgets[-1])
    columns = [budget - 1 for budget in budgets]
    if not common.pairs:
        nothing = Estimate(np.empty(0), np.empty(0), np.empty(0))
        return Field(common, tuple(budgets), nothing, nothing)
    regrets, ranks = common.regrets[:, :, columns], common.ranks()[:, :, columns]
    return Field(common, tuple(budgets), mean(common, regrets), mean(common, ranks))


def figures(found: Shown) -> dict[str, float]:
    """The figures of the reporting half, without those for which results are missing."""
    told: dict[str, float] = {}
    for name, workers, peer in (
        ("regret_ratio_w1", 1, TPE), ("regret_ratio_w10", 10, TPE), ("gp_ratio_w1", 1, GP),
    ):  # fmt: skip
        compared = versus(found, workers, peer)
        if compared is not None:
            told[name] = float(compared.mean)
    times = found.milliseconds(found.champion)
    if times:
        told["ask_ms"] = times[0]
    judged = [
        field
        for workers in found.scores
        for place, field in enumerate(fields(found.half(workers, Half.REPORTING)))
        if place == 0 or field.seeds >= SEEDS
    ]
    if judged and times:
        told["best_rank"] = float(all(_leads(field, found.champion) for field in judged))
    return told


def versus(found: Shown, workers: int, peer: str) -> Estimate | None:
    """The mean regret of the champion divided by that of a peer, on the reporting half."""
    if workers not in found.scores or found.scores[workers].regrets.shape[2] < RATIO_BUDGET:
        return None
    return ratio(found.half(workers, Half.REPORTING), found.champion, peer, RATIO_BUDGET)


def _leads(field: Field, champion: str) -> bool:
    if champion not in field.scores.contenders:
        return False
    ranks = field.ranks.mean
    return bool((ranks[field.scores.contenders.index(champion)] <= ranks.min(axis=0)).all())


def sections(found: Shown) -> str:
    """The tables, most important first."""
    parts = [_ratios(found)]
    for half in (Half.REPORTING, Half.TUNING):
        for workers in found.scores:
            parts += [
                f"### The {half} half, {_trials_at_a_time(workers)}\n\n{_table(field, found)}"
                for field in fields(found.half(workers, half))
            ]
    parts += [_kinds(found, workers, place) for workers in found.scores for place in (0, 1)]
    return "\n\n".join(part for part in (*parts, _runs(found)) if part) + "\n"


def _trials_at_a_time(workers: int) -> str:
    return "one trial at a time" if workers == 1 else f"{workers} trials at a time"


def _ratios(found: Shown) -> str:
    rows = []
    for workers in found.scores:
        for peer in found.scores[workers].contenders:
            compared = versus(found, workers, peer) if peer != found.champion else None
            if compared is not None:
                pairs = len(
                    found.half(workers, Half.REPORTING)
                    .among([found.champion, peer], RATIO_BUDGET)
                    .pairs
                )
                rows.append(f"| {workers} | {peer} | {_interval(compared, ())} | {pairs} |")
    if not rows:
        return ""
    head = (
        f"| workers | {found.champion} / | regret ratio at {RATIO_BUDGET} trials | runs "
        "|\n|---|---|---|---|\n"
    )
    return f"### Ratios on the {Half.REPORTING} half\n\n{head}" + "\n".join(rows)


def _table(field: Field, found: Shown) -> str:
    pairs, problems = len(field.scores.pairs), len({name for name, _ in field.scores.pairs})
    head = [f"regret at {budget}" for budget in field.budgets] + [
        f"rank at {budget}" for budget in field.budgets
    ]
    lines = [
        f"{problems} problems, {pairs} runs of each.\n",
        _row(["contender", *head, "ms a trial", "p99"]),
    ]
    lines.append("|---" * (len(head) + 3) + "|")
    for row in field.order:
        name = field.scores.contenders[row]
        regrets = [_interval(field.regrets, (row, column)) for column in range(len(field.budgets))]
        ranks = [f"{field.ranks.mean[row, column]:.2f}" for column in range(len(field.budgets))]
        times = found.milliseconds(name) or (0.0, 0.0, 0.0)
        lines.append(_row([name, *regrets, *ranks, f"{times[0]:.1f}", f"{times[2]:.1f}"]))
    return "\n".join(lines)


def _kinds(found: Shown, workers: int, place: int) -> str:
    """Regret at 100 trials by kind, halves apart: of those run in full, or (place 1) with the first
    slower one."""
    budget = min(RATIO_BUDGET, found.scores[workers].regrets.shape[2])
    columns = {
        (kind, half): fields(found.kind(workers, kind, half), [budget])
        for kind in Kind
        for half in Half
    }
    told = {column: listed[place] for column, listed in columns.items() if len(listed) > place}
    if not told:
        return ""
    names = list(dict.fromkeys(name for field in told.values() for name in field.scores.contenders))
    title = (
        f"### By kind: regret at {budget} trials (tuning, reporting half), "
        f"{_trials_at_a_time(workers)}\n"
    )
    kinds = [kind for kind in Kind if any(column[0] is kind for column in told)]
    lines = [title, _row(["contender", *kinds]), "|---" * (len(kinds) + 1) + "|"]
    for name in names:
        cells = [", ".join(_mean(told.get((kind, half)), name) for half in Half) for kind in kinds]
        lines.append(_row([name, *cells]))
    return "\n".join(lines)


def _runs(found: Shown) -> str:
    """How many runs there are of each contender."""
    counts: dict[tuple[str, str, int], Counter[int]] = {}
    for one in found.results:
        counts.setdefault((one.key.contender, one.key.version, one.trials), Counter())[
            one.key.workers
        ] += 1
    if not counts:
        return ""
    workers = list(found.scores)
    head = [
        "contender",
        "version",
        "trials of a run",
        *(f"runs, {_trials_at_a_time(count)}" for count in workers),
    ]
    lines = ["### The runs\n", _row(head), "|---" * len(head) + "|"]
    for (name, version, trials), runs in counts.items():
        lines.append(_row([name, version, str(trials), *(str(runs[count]) for count in workers)]))
    return "\n".join(lines)


def _mean(field: Field | None, name: str) -> str:
    if field is None or name not in field.scores.contenders:
        return "-"
    return f"{field.regrets.mean[field.scores.contenders.index(name), -1]:.3f}"


def _interval(estimate: Estimate, place: tuple[int, ...]) -> str:
    low, high = (np.asarray(one)[place] for one in (estimate.low, estimate.high))
    return f"{np.asarray(estimate.mean)[place]:.3f} ({low:.3f} to {high:.3f})"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
