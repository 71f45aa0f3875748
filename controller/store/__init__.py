"""The store: everything in Postgres. Here are its errors, by what the caller does next."""

from events.errors import AbandonError, PoisonError, RefusalError, RetryError


class StoreUnavailableError(RetryError):
    """The database does not answer, or not in time; the result may be unknown.

    Reload and try again.
    """

    concerns = "database"


class DataRefusedError(PoisonError):
    """The database refuses what is in the statement, and will do so each time: no outage.

    Nothing of the statement is stored. Leave out what is refused.
    """

    concerns = "database"


class FencedError(AbandonError):
    """Another process owns the shard now. Drop everything that is known of it."""


class StoreRefusedError(RefusalError):
    """The database cannot be used as it is; the message says what to do."""

    concerns = "database"


class UnreadableExperimentError(RefusalError):
    """What is stored of one experiment was written by another version, and this one cannot read
    it."""
