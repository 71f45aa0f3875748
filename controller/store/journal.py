"""What a search has suggested and been told, in order: enough to rebuild it with the same next
suggestion."""

from dataclasses import dataclass
from typing import Any

from controller.store.postgres import Database
from events.facts import TERMINAL, Cause, TrialConcluded, TrialState
from events.ids import ExperimentId, TrialNumber
from events.spec.space import Assignment


@dataclass(frozen=True, slots=True)
class PastSuggestion:
    """A suggestion, and how many conclusions the search knew when it made it."""

    assignment: Assignment
    told: int


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What the search is told of a trial."""

    trial: TrialNumber
    state: TrialState
    cause: Cause
    values: tuple[float | None, ...]
    """One for each objective."""
    violations: tuple[float | None, ...] = ()
    """One for each outcome constraint."""

    @classmethod
    def of(cls, fact: TrialConcluded) -> "Conclusion":
        return cls(fact.trial, fact.state, fact.cause, fact.values, fact.violations)


@dataclass(frozen=True, slots=True)
class Journal:
    """Everything that one search has suggested and been told."""

    suggestions: list[PastSuggestion]
    conclusions: list[Conclusion]
    version: int
    """How many facts were recorded when the journal was read. It includes what they say."""

    def until(self, suggestions: int, conclusions: int) -> "Journal":
        """The journal with only its first suggestions and conclusions."""
        return Journal(self.suggestions[:suggestions], self.conclusions[:conclusions], self.version)


class Journals:
    """The journals of the experiments in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, experiment: ExperimentId) -> Journal:
        """All suggestions by their number, and all conclusions in their order."""
        rows = await self._database.fetch(
            "SELECT t.number, t.assignment, t.told, t.state, t.cause, t.value, "
            "t.objective_values, t.violations, t.ordinal, e.version "
            "FROM trial t JOIN experiment e ON e.id = t.experiment "
            "WHERE e.id = $1 ORDER BY t.number",
            experiment,
        )
        concluded = sorted(
            (row for row in rows if row["state"] in TERMINAL), key=lambda row: row["ordinal"]
        )
        return Journal(
            [PastSuggestion(row["assignment"], row["told"]) for row in rows],
            [_conclusion(row) for row in concluded],
            rows[0]["version"] if rows else 0,
        )


def _conclusion(row: Any) -> Conclusion:
    return Conclusion(
        row["number"],
        TrialState(row["state"]),
        Cause(row["cause"]),
        objective_values(row),
        tuple(row["violations"] or ()),
    )


def objective_values(row: Any) -> tuple[float | None, ...]:
    """The values of a row of `trial`, one for each objective; none before it has any."""
    several = row["objective_values"]
    if several is not None:
        return tuple(several)
    return () if row["value"] is None else (row["value"],)
