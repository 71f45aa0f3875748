"""What can go wrong, by what the caller does next: try again, tell a person, put the record aside,
or give up."""


class TrialstreamError(Exception):
    """The root of all errors that we raise on purpose; any other exception is a fault of the
    program."""

    concerns = "input"
    """What it is about: `input` (what a person wrote), `kafka` or `database`."""


class RetryError(TrialstreamError):
    """It does not work now and may work later: wait, then try again."""


class RefusalError(TrialstreamError):
    """It will not work until a person changes something; the message says what is wrong and what to
    do."""


class PoisonError(TrialstreamError):
    """This record can never be used: put it aside as a dead letter and continue with the next."""


class AbandonError(TrialstreamError):
    """What was being done is over, or belongs to another: stop at once and keep nothing that was
    known of it."""


class BusUnavailableError(RetryError):
    """Kafka does not answer now: no broker, no leader, or the log was replaced under a
    subscription."""

    concerns = "kafka"


class BusRefusedError(RefusalError):
    """Kafka refuses: credentials, permissions, a missing topic, or a record that is too large."""

    concerns = "kafka"


class RecordTooLargeError(BusRefusedError):
    """A record is too large for Kafka; any other record is not concerned."""
