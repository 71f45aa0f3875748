"""One experiment on one page: its facts, its best trial, its running trials, and how much each
parameter matters."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from controller.core.experiment import Experiment
from controller.store.quarantine import Quarantined
from controller.store.queries import Queries
from controller.store.queries.curves import LatestValue, ReceivedPoints, ThinnedCurve
from controller.store.queries.experiments import ExperimentSnapshot
from controller.store.queries.trials import TrialRow
from controller.views import words
from controller.views.summary import (
    algorithm_words,
    counts_words,
    in_order,
    metric_values,
    state_words,
)
from controller.views.warm_start import known_before
from events.facts import TrialState
from events.ids import TrialNumber

MOST_WEIGHED, MOST_SHARES = 1000, 6
"""Trials from which importance is estimated, and parameters that are listed."""
MOST_LIVE = 50
"""Running trials that are shown."""
MOST_REASONS = 3
"""Reasons why trials wait that are shown."""
MOST_THINNED_TRIALS = 10
"""Trials with thinned curves that are named."""
LIVE_TITLES = ("#", "state", "attempt", "last value", "when")


async def read_last(
    queries: Queries, snapshot: ExperimentSnapshot
) -> Mapping[TrialNumber, LatestValue]:
    """What the running trials, at most MOST_LIVE, had reported last."""
    experiment = snapshot.experiment
    live = {
        number: trial.attempt
        for number, trial in list(experiment.progress.live.items())[:MOST_LIVE]
    }
    return await queries.curves.last_values(
        experiment.identity.id, live, experiment.spec.first_objective.metric, snapshot.until
    )


async def read_weighed(queries: Queries, snapshot: ExperimentSnapshot) -> Sequence[TrialRow]:
    """A sample of the concluded trials, from which importance is estimated."""
    identity, proposed = snapshot.experiment.identity, snapshot.experiment.progress.proposed
    rows = await queries.trials.sample(identity.id, proposed, MOST_WEIGHED)
    return [
        row for row in rows if row.concluded_at is not None and row.concluded_at <= snapshot.now
    ]


def experiment_facts(snapshot: ExperimentSnapshot) -> Iterator[tuple[str, str]]:
    """Everything about the experiment itself, as titles and texts."""
    experiment, spec = snapshot.experiment, snapshot.experiment.spec
    identity = experiment.identity
    yield "Name", f"{identity.name} (namespace {identity.namespace})"
    if snapshot.past:
        yield "As of", f"{words.clock(snapshot.now)} (event {experiment.progress.version:,})"
    yield "State", state_words(experiment)
    if snapshot.quarantine is not None:
        yield "Quarantine", quarantine_words(snapshot.quarantine, snapshot.now)
    yield (
        "Objectives" if spec.multi_objective else "Objective",
        "\n".join(map(words.objective_words, spec.all_objectives)),
    )
    if spec.outcome_constraints:
        missed = words.count(experiment.progress.infeasible, "trial")
        yield "Constraints", "\n".join((*spec.outcome_constraints, f"({missed} infeasible)"))
    yield "Trials", counts_words(experiment)
    yield from waiting_facts(experiment)
    yield "Algorithm", algorithm_words(experiment)
    yield from known_before(spec)
    yield from budgets(experiment, snapshot.now)
    yield (
        "Created",
        f"{words.clock(snapshot.created_at)} ({words.age(snapshot.created_at, snapshot.now)} ago)",
    )
    if snapshot.concluded_at is not None:
        took = words.duration((snapshot.concluded_at - snapshot.created_at).total_seconds())
        yield "Concluded", f"{words.clock(snapshot.concluded_at)} (after {took})"
    yield "Id", str(identity.id)


def waiting_facts(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """Why trials do not start, if something unusual delays them."""
    found = Counter(
        (trial.waiting, trial.waiting_message)
        for trial in experiment.progress.live.values()
        if trial.waiting and trial.state is TrialState.PENDING
    )
    if found:
        yield (
            "Waiting",
            "\n".join(
                f"{words.count(number, 'trial')}: {reason}" + (f": {message}" if message else "")
                for (reason, message), number in found.most_common(MOST_REASONS)
            ),
        )


def thinned_facts(curves: Sequence[ThinnedCurve]) -> Iterator[tuple[str, str]]:
    """Of which trials not every point is kept, if of any."""
    if curves:
        trials = sorted({curve.trial for curve in curves})
        shown = ", ".join(map(str, trials[:MOST_THINNED_TRIALS]))
        more = f" and {len(trials) - MOST_THINNED_TRIALS} more" * (
            len(trials) > MOST_THINNED_TRIALS
        )
        yield (
            "Thinned",
            f"the curves of {words.count(len(trials), 'trial')} ({shown}{more}): some points, the "
            "extremes and the last are kept",
        )


def points_facts(received: ReceivedPoints) -> Iterator[tuple[str, str]]:
    """How many points have come, of how many if others were left out, and when the last one did."""
    when = f", the last at {words.clock(received.last)}" if received.last else ""
    of = f" of {received.reported:,} reported" if received.reported > received.count else ""
    yield "Points", f"{received.count:,} received{of}{when}"


def quarantine_words(held: Quarantined, now: datetime) -> str:
    """Since when it waits, why, and until when."""
    left = (held.retry_at - now).total_seconds()
    again = f"tried again in {words.duration(left)}" if left > 0 else "being tried again"
    return (
        f"for {words.age(held.since, now)}: {words.clean(held.flow)} failed "
        f"{words.count(held.failures, 'time')}, {again}, or at once by trialstream resume\n"
        f"{words.clean(held.reason)}"
    )


def budgets(experiment: Experiment, now: datetime) -> Iterator[tuple[str, str]]:
    """What limits the experiment beside the number of trials."""
    spec, progress = experiment.spec, experiment.progress
    yield "Parallel", str(spec.parallel)
    if spec.max_failed_trial_count is not None:
        counts = progress.counts
        yield (
            "Failures",
            (
                f"{counts.failed + counts.metrics_unavailable} of {spec.max_failed_trial_count} "
                "allowed"
            ),
        )
    if spec.budget.wall_clock_seconds is not None:
        left = progress.seconds_left
        if progress.deadline is not None:
            left = max(0.0, (progress.deadline - now).total_seconds())
        rest = f", {words.duration(left)} left" if left is not None else ""
        yield "Time limit", f"{words.duration(spec.budget.wall_clock_seconds)}{rest}"


def best_facts(experiment: Experiment, best: TrialRow) -> Iterator[tuple[str, str]]:
    """The metrics and the parameters of the best trial, as titles and texts."""
    yield "Metrics", words.values(metric_values(experiment, best))
    for name, value in in_order(experiment, best.assignment).items():
        yield words.clean(name), words.scalar(value)


def live_rows(
    snapshot: ExperimentSnapshot, last: Mapping[TrialNumber, LatestValue]
) -> Iterator[tuple[str, ...]]:
    """A row under LIVE_TITLES for each trial without a conclusion, at most MOST_LIVE; `last` is
    what they reported."""
    metric = snapshot.experiment.spec.first_objective.metric
    for number, trial in list(snapshot.experiment.progress.live.items())[:MOST_LIVE]:
        seen = last.get(number)
        value = f"{metric}={words.number(seen.value)} (report {seen.step})" if seen else "-"
        when = f"{words.age(seen.at, snapshot.now)} ago" if seen else "-"
        state = trial.state if trial.end is None else TrialState.RUNNING
        yield str(number), state, str(trial.attempt), value, when


def importance_words(experiment: Experiment, rows: Sequence[TrialRow]) -> Iterator[str]:
    """For each objective the parameters that matter most; a report says how that is estimated."""
    from controller.views.importance import (
        FEWEST,
        importance,
    )  # what it needs takes a second to import

    for place, target in enumerate(experiment.spec.all_objectives):
        matters = importance(experiment.spec.parameters, rows, place)
        shares = "" if matters is None else words.shares(matters.shares[:MOST_SHARES])
        few = f"needs at least {FEWEST} trials with values that differ"
        trust = (
            ""
            if matters is None
            else f" (explains {matters.explained:.0%} of the differences in rank)"
        )
        yield f"{words.clean(target.metric)}: {shares or few}{trust}"
