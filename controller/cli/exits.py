"""The exit codes of every command, for scripts."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes. Scripts may rely on these numbers."""

    OK = 0
    """The command has done its work; `run`: the experiment has succeeded."""
    FAILED = 1
    """The experiment has failed, or ended without any value; or an unexpected error."""
    INVALID = 2
    """Bad input: a wrong option, or a document with problems."""
    NOT_FOUND = 3
    """No such experiment, trial or log."""
    DATABASE = 4
    """The database does not answer or cannot be used."""
    CONFLICT = 5
    """There is an experiment of this name already, with another spec."""
    STOPPED = 6
    """Somebody has stopped or paused the experiment."""
    KAFKA = 7
    """Kafka does not answer or cannot be used."""
    INTERRUPTED = 130
    """Ctrl-C."""
