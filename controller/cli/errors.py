"""Errors that a person can act on: one clear message on stderr and an exit code, never a traceback."""

import sys
from collections.abc import Generator
from contextlib import contextmanager

import typer

from controller.cli.exits import Exit


class CommandError(Exception):
    """The command cannot do what was asked; the message says why, what is allowed and what to do."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def told_plainly() -> Generator[None]:
    """Turn the errors that have a remedy into a message and typer's Exit; let the others crash."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None
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


def _code(error: Exception) -> Exit | None:
    """The exit code of an error with a remedy. What was never imported cannot have been raised."""
    if isinstance(error, CommandError):
        return error.code
    for module, name, code in _KNOWN:
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return code
    return None


_KNOWN = (
    ("events.spec.yaml", "DocumentError", Exit.INVALID),
    ("events.spec.template", "TemplateError", Exit.INVALID),
    ("trialstream.settings", "SettingsError", Exit.INVALID),
    ("events.bus", "BusRefusedError", Exit.KAFKA),
    ("events.bus", "BusUnavailableError", Exit.KAFKA),
    ("controller.store", "StoreRefusedError", Exit.DATABASE),
    ("controller.store", "StoreUnavailableError", Exit.DATABASE),
    ("builtins", "OSError", Exit.FAILED),
)
