"""Everything that people read: experiments, trials, curves and facts.

What each query costs is bounded.
"""

from controller.store.postgres import Database
from controller.store.queries.curves import CurveQueries
from controller.store.queries.experiments import ExperimentQueries
from controller.store.queries.facts import FactQueries
from controller.store.queries.trials import TrialQueries


class Queries:
    """The queries on one database, by what they are about."""

    def __init__(self, database: Database) -> None:
        self.experiments = ExperimentQueries(database)
        self.trials = TrialQueries(database)
        self.curves = CurveQueries(database)
        self.facts = FactQueries(database)
