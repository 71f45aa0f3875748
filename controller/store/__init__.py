"""What the controller remembers, and the errors that its memory raises, split by what the caller does next."""

from events.errors import AbandonError, RefusalError, RetryError


class StoreUnavailableError(RetryError):
    """The database does not answer, or not in time; the result may be unknown. Reload and try again."""

    concerns = "database"


class FencedError(AbandonError):
    """Somebody else owns the shard now. Drop everything known of it."""


class StoreRefusedError(RefusalError):
    """The database cannot be used as it is; the message says what to do."""

    concerns = "database"
