"""What a program has to expect of Kafka and of the records in it, by what it can do about it."""


class BusUnavailableError(Exception):
    """It does not work now and may work later: no broker, no leader, or the log was replaced under a subscription."""


class BusRefusedError(Exception):
    """It will not work until a person mends it: credentials, permissions, a missing topic, a record too large."""
