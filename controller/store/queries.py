"""Everything that people read: experiments, trials, curves and facts, each query bounded in what it costs."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from controller.core.best import RANKED, complete
from controller.core.experiment import Experiment, Identity
from controller.core.pareto import front
from controller.core.recorded import Recorded
from controller.store.history import PAGE, History, Moment
from controller.store.journal import objective_values
from controller.store.ledger import Ledger
from controller.store.measurements import Measurements
from controller.store.outbox import recorded
from controller.store.postgres import Database
from events.facts import Cause, ExperimentState, TrialState
from events.ids import ExperimentId, TrialNumber
from events.spec.objective import Direction, Observation, Summary
from events.spec.outcomes import feasible
from events.spec.space import Assignment

HASHES = 2**32
"""How many values the hash of a sample has: no stride, which a search that goes in cycles would fall in step with."""
MOST_LISTED = 1000
"""Experiments that a listing shows, the newest ones."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An experiment as one line of a list."""

    name: str
    namespace: str
    state: ExperimentState
    concluded: int
    budget: int | None
    live: int
    best: float | None
    front: int
    """Of several objectives, how many trials the front has, as far as the state keeps them."""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """One experiment, and when it was created and concluded, by the clock that says `now`.

    Of an earlier moment, `now` is that moment and `past` is True.
    """

    experiment: Experiment
    created_at: datetime
    concluded_at: datetime | None
    now: datetime
    past: bool = False

    @property
    def until(self) -> datetime | None:
        """What was reported later is not to be shown; None = show all."""
        return self.now if self.past else None


@dataclass(frozen=True, slots=True)
class TrialRow:
    """All that is known of one trial beside its curves."""

    number: TrialNumber
    state: TrialState
    attempt: int
    assignment: Assignment
    ordinal: int | None
    cause: Cause | None
    exit_code: int | None
    message: str
    observation: Observation
    value: float | None
    values: tuple[float | None, ...]
    """One an objective."""
    violations: tuple[float | None, ...]
    """One an outcome constraint."""
    proposed_at: datetime
    started_at: datetime | None
    concluded_at: datetime | None

    @property
    def ranked(self) -> bool:
        """May this trial be the best?"""
        return self.state in RANKED and complete(self.values) and feasible(self.violations)

    @property
    def known(self) -> Sequence[float]:
        """The values of a trial that has all of them."""
        assert complete(self.values)
        return self.values

    def at(self, objective: int) -> float | None:
        """The value of one objective, if there is one."""
        return self.values[objective] if objective < len(self.values) else None

    @property
    def infeasible(self) -> bool:
        """Does it miss an outcome constraint, and could be the best otherwise?"""
        return self.state in RANKED and complete(self.values) and any(self.violations)


@dataclass(frozen=True, slots=True)
class Last:
    """The last value of a metric that a running trial has reported."""

    step: int
    at: datetime
    value: float


_LIST = """
SELECT name, namespace, state, created_at, (spec->>'maxTrialCount')::int AS budget, progress
FROM experiment WHERE $1::text IS NULL OR namespace = $1 ORDER BY created_at DESC, id LIMIT $2
"""
_TRIALS = """
SELECT * FROM trial
WHERE experiment = $1 AND number > $2 AND (cardinality($3::text[]) = 0 OR state = ANY($3))
ORDER BY number LIMIT $4
"""
_RANKING = """
SELECT * FROM trial WHERE experiment = $1 AND (cardinality($2::text[]) = 0 OR state = ANY($2))
ORDER BY state = ANY($3::text[]) AND value IS NOT NULL AND (violations IS NULL OR (0 = ALL(violations)) IS TRUE) DESC,
    (coalesce(objective_values, ARRAY[value]))[$6] * $4 NULLS LAST, number LIMIT $5
"""
_VALUES = """
SELECT number, objective_values FROM trial WHERE experiment = $1 AND state = ANY($2::text[])
    AND array_position(objective_values, NULL) IS NULL AND (violations IS NULL OR (0 = ALL(violations)) IS TRUE)
ORDER BY ordinal
"""
_THESE = "SELECT * FROM trial WHERE experiment = $1 AND number = ANY($2)"
_SAMPLE = """
SELECT * FROM trial
WHERE experiment = $1 AND ((number * 2654435761::bigint) & 4294967295 < $2::bigint OR number = ANY($3::int[]))
ORDER BY number LIMIT $4
"""
_LAST = """
SELECT live.trial, last.* FROM unnest($2::int[], $3::int[]) AS live (trial, attempt)
CROSS JOIN LATERAL (
    SELECT step, at, value FROM measurement m
    WHERE m.experiment = $1 AND m.trial = live.trial AND m.attempt = live.attempt AND m.metric = $4
        AND ($5::timestamptz IS NULL OR m.at <= $5)
    ORDER BY step DESC LIMIT 1) AS last
"""
_CURVES = """
SELECT shown.trial, m.step, m.value FROM unnest($2::int[], $3::int[]) AS shown (trial, attempt)
CROSS JOIN LATERAL (
    SELECT step AS last FROM measurement m
    WHERE m.experiment = $1 AND m.trial = shown.trial AND m.attempt = shown.attempt AND m.metric = $4
    ORDER BY step DESC LIMIT 1) AS length
CROSS JOIN LATERAL (
    SELECT generate_series(1, last, greatest(1, ceil(last::float8 / $5)::int)) AS step UNION SELECT last) AS wanted
JOIN measurement m ON m.experiment = $1 AND m.trial = shown.trial AND m.attempt = shown.attempt
    AND m.metric = $4 AND m.step = wanted.step
WHERE m.value > '-Infinity' AND m.value < 'Infinity' ORDER BY shown.trial, m.step
"""


class Queries:
    """What the reading commands ask of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ledger = Ledger(database)
        self._measurements = Measurements(database)
        self._history = History(database)

    async def now(self) -> datetime:
        """The database's clock, by which everything is dated."""
        row = await self._database.row("SELECT now() AS now")
        assert row is not None
        at: datetime = row["now"]
        return at

    async def experiments(self, namespace: str | None = None, limit: int = MOST_LISTED) -> list[Listed]:
        """Experiments of one namespace, or of all, newest first."""
        return [_listed(row) for row in await self._database.fetch(_LIST, namespace, limit)]

    async def names(self) -> list[tuple[str, str]]:
        """(namespace, name) of the newest experiments, to suggest the one that was meant."""
        rows = await self._database.fetch(
            "SELECT namespace, name FROM experiment ORDER BY created_at DESC LIMIT $1", MOST_LISTED
        )
        return [(row["namespace"], row["name"]) for row in rows]

    async def find(self, namespace: str, name: str) -> Found | None:
        known = await self._ledger.find(namespace, name)
        if known is None:
            return None
        sql = "SELECT created_at, concluded_at, now() AS now FROM experiment WHERE id = $1"
        row = await self._database.row(sql, known[0].identity.id)
        return Found(known[0], row["created_at"], row["concluded_at"], row["now"]) if row else None

    async def moment(self, experiment: ExperimentId, when: datetime | UUID | int) -> Moment | None:
        """The moment of a time, or of a fact by its id or number; None if there is none such."""
        if isinstance(when, datetime):
            return await self._history.at_time(experiment, when)
        return await self._history.at_event(experiment, when)

    async def as_of(self, found: Found, moment: Moment) -> Found:
        """The experiment as it was at a moment of its history: reads its facts up to there."""
        known, concluded_at = found.experiment, None
        async with aclosing(self._history.folded(known.identity.id)) as folded:
            async for one, known in folded:
                concluded_at = (concluded_at or one.envelope.at) if known.done else None
                if one.seq == moment.seq:
                    break
        return Found(known, found.created_at, concluded_at, moment.at, past=True)

    async def trial(self, experiment: ExperimentId, number: TrialNumber) -> TrialRow | None:
        row = await self._database.row("SELECT * FROM trial WHERE experiment = $1 AND number = $2", experiment, number)
        return _trial(row) if row else None

    async def trials(self, experiment: ExperimentId, states: Collection[TrialState] = ()) -> AsyncGenerator[TrialRow]:
        """All trials (in these states, if any are given) by number, read page by page."""
        last = 0
        while True:
            rows = await self._database.fetch(_TRIALS, experiment, last, list(states), PAGE)
            for row in rows:
                yield _trial(row)
            if len(rows) < PAGE:
                return
            last = rows[-1]["number"]

    async def first(self, experiment: ExperimentId, limit: int, states: Collection[TrialState] = ()) -> list[TrialRow]:
        """The `limit` trials with the lowest numbers."""
        return [_trial(row) for row in await self._database.fetch(_TRIALS, experiment, 0, list(states), limit)]

    async def ranking(
        self,
        experiment: ExperimentId,
        direction: Direction,
        limit: int,
        states: Collection[TrialState] = (),
        objective: int = 0,
    ) -> list[TrialRow]:
        """The best `limit` trials by the `objective`-th value, best first; those that cannot be the best come last."""
        sign = 1.0 if direction is Direction.MINIMIZE else -1.0
        rows = await self._database.fetch(_RANKING, experiment, list(states), list(RANKED), sign, limit, objective + 1)
        return [_trial(row) for row in rows]

    async def front(self, identity: Identity) -> list[TrialRow]:
        """All trials of the Pareto front, whatever their number, by the first objective; reads the values of all."""
        rows = await self._database.fetch(_VALUES, identity.id, list(RANKED))
        points = ((row["number"], identity.spec.losses(row["objective_values"])) for row in rows)
        return await self.these(identity.id, [number for number, _ in front(points)])

    async def these(self, experiment: ExperimentId, numbers: Sequence[TrialNumber]) -> list[TrialRow]:
        """The trials with these numbers, in their order."""
        found = {row["number"]: _trial(row) for row in await self._database.fetch(_THESE, experiment, list(numbers))}
        return [found[number] for number in numbers if number in found]

    async def sample(
        self, experiment: ExperimentId, proposed: int, limit: int, wanted: Collection[TrialNumber] = ()
    ) -> list[TrialRow]:
        """About `limit` of `proposed` trials, spread over the numbers by a hash, with all `wanted` ones among them."""
        share = min(HASHES, HASHES * limit // max(1, proposed))
        rows = await self._database.fetch(_SAMPLE, experiment, share, list(wanted), 2 * limit + len(wanted))
        return [_trial(row) for row in rows]

    async def last_values(
        self,
        experiment: ExperimentId,
        attempts: Mapping[TrialNumber, int],
        metric: str,
        until: datetime | None = None,
    ) -> dict[TrialNumber, Last]:
        """The last value of `metric` (reported `until` then) of each of these attempts (trial → attempt): one index
        lookup each."""
        rows = await self._database.fetch(_LAST, experiment, list(attempts), list(attempts.values()), metric, until)
        return {row["trial"]: Last(row["step"], row["at"], row["value"]) for row in rows}

    async def curves(
        self, experiment: ExperimentId, attempts: Mapping[TrialNumber, int], metric: str, points: int
    ) -> dict[TrialNumber, list[tuple[int, float]]]:
        """(step, value) of each of these attempts, thinned to about `points` steps, finite values only."""
        curves: dict[TrialNumber, list[tuple[int, float]]] = {}
        rows = await self._database.fetch(_CURVES, experiment, list(attempts), list(attempts.values()), metric, points)
        for row in rows:
            curves.setdefault(row["trial"], []).append((row["step"], row["value"]))
        return curves

    async def reported(
        self, experiment: ExperimentId, number: TrialNumber, attempt: int, until: datetime | None = None
    ) -> Observation:
        """The summary of what one attempt has reported so far, or until then."""
        found = await self._measurements.summaries(experiment, [(number, attempt)], until)
        return found[number]

    async def facts(self, experiment: ExperimentId, start: int, limit: int = PAGE) -> list[Recorded]:
        """Up to `limit` facts from the `start`-th on."""
        rows = await self._database.fetch(
            "SELECT * FROM fact WHERE experiment = $1 AND seq >= $2 ORDER BY seq LIMIT $3", experiment, start, limit
        )
        return [recorded(row) for row in rows]

    async def trial_facts(self, experiment: ExperimentId, number: TrialNumber, until: int) -> Sequence[Recorded]:
        """The facts about one trial among the first `until` of its experiment, in order; at most PAGE of them."""
        rows = await self._database.fetch(
            "SELECT * FROM fact WHERE experiment = $1 AND trial = $2 AND seq <= $3 ORDER BY seq LIMIT $4",
            experiment,
            number,
            until,
            PAGE,
        )
        return [recorded(row) for row in rows]


def _listed(row: Any) -> Listed:
    progress = row["progress"]
    best = progress.get("best")
    return Listed(
        name=row["name"],
        namespace=row["namespace"],
        state=ExperimentState(row["state"]),
        concluded=sum(progress.get("counts", {}).values()),
        budget=row["budget"],
        live=len(progress.get("live", {})),
        best=best["value"] if best else None,
        front=len(progress.get("front", ())),
        created_at=row["created_at"],
    )


def _trial(row: Any) -> TrialRow:
    return TrialRow(
        number=TrialNumber(row["number"]),
        state=TrialState(row["state"]),
        attempt=row["attempt"],
        assignment=row["assignment"],
        ordinal=row["ordinal"],
        cause=Cause(row["cause"]) if row["cause"] else None,
        exit_code=row["exit_code"],
        message=row["message"] or "",
        observation={name: Summary(**one) for name, one in (row["observation"] or {}).items()},
        value=row["value"],
        values=objective_values(row),
        violations=tuple(row["violations"] or ()),
        proposed_at=row["proposed_at"],
        started_at=row["started_at"],
        concluded_at=row["concluded_at"],
    )
