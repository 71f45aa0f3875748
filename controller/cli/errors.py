"""Errors that a person can act on: one clear message on stderr and an exit code, never a traceback."""

from collections.abc import Generator
from contextlib import contextmanager

import typer

from controller.cli.exits import ExitCode
from events.errors import RefusalError, RetryError


class CommandError(RefusalError):
    """The command cannot do what was asked; the message says why, what is allowed and what to do."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def told_plainly() -> Generator[None]:
    """Turn the errors that have a remedy into a message and typer.Exit; let the others crash."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except Exception as error:
        code = _code(error)
        if code is None:
            raise
        complain(str(error))
        raise typer.Exit(code) from None


def complain(message: str) -> None:
    """Print an error, in red where stderr is a terminal."""
    typer.secho(f"Error: {message}", fg=typer.colors.RED, err=True)


def warn(message: str) -> None:
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
    return None


_CODES = {"input": ExitCode.INVALID, "kafka": ExitCode.KAFKA, "database": ExitCode.DATABASE}
