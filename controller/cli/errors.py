"""Errors that a person can act on: a message on stderr and an exit code, without a traceback."""

import sys
from collections.abc import Generator
from contextlib import contextmanager

import typer

from controller.cli.exits import ExitCode
from events.errors import RefusalError, RetryError
from events.memory import end_without_memory

NO_THREAD = "can't start new thread"
"""What Python says without memory for another thread, or with too many of them."""


class CommandError(RefusalError):
    """The command cannot do what was asked; the message says why, and what to do."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def plain_errors() -> Generator[None]:
    """Turn errors that have a remedy into a message and typer.Exit.

    Other errors are faults and crash.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has enough, such as `head`: click ends it in silence
        raise
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except Exception as error:
        end_without_memory(error)
        code = _code(error)
        if code is None:
            raise
        print_error(str(error))
        raise typer.Exit(code) from None


def print_error(message: str) -> None:
    """Print an error, in red where stderr is a terminal."""
    typer.secho(f"Error: {message}", fg=typer.colors.RED, err=True)


def print_warning(message: str) -> None:
    """Print a warning, in yellow where stderr is a terminal."""
    typer.secho(f"Warning: {message}", fg=typer.colors.YELLOW, err=True)


def _code(error: Exception) -> ExitCode | None:
    """The exit code of an error with a remedy; None for a fault of the program."""
    match error:
        case CommandError():
            return error.code
        case RetryError() | RefusalError():
            return _CODES[error.concerns]
        case OSError():
            return ExitCode.FAILED
        case RuntimeError() if str(error) == NO_THREAD:
            return ExitCode.FAILED
    return None


_CODES = {"input": ExitCode.INVALID, "kafka": ExitCode.KAFKA, "database": ExitCode.DATABASE}
