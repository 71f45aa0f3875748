"""What the controller remembers, and the errors that its memory raises, split by what the caller does next."""


class StoreUnavailableError(Exception):
    """The database does not answer, or not in time; the result may be unknown. Reload and try again."""


class FencedError(Exception):
    """Somebody else owns the shard now. Drop everything known of it."""


class StoreRefusedError(Exception):
    """The database cannot be used as it is; the message says what to do."""
