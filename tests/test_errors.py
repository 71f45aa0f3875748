"""Every error of ours is in the tree that events/errors.py draws, and says by that what its caller
does next."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import typer

from controller.cli.errors import plain_errors
from controller.cli.exits import ExitCode
from events import errors
from events.bus import BusUnavailableError
from events.errors import AbandonError, PoisonError, RefusalError, RetryError, TrialstreamError
from events.spec.yaml import DocumentError

ROOT = Path(__file__).parents[1]
PACKAGES = ("algorithms", "collectors", "controller", "events", "trialstream")
BRANCHES = (RetryError, RefusalError, PoisonError, AbandonError)
ALONE = {"SpawnError"}


def written() -> Iterator[tuple[str, str]]:
    """(module, class) of each class that is named like an error."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).glob("**/*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            module = ".".join(part for part in parts if part != "__init__")
            for name in re.findall(r"^ *class (\w+(?:Error|Exception))\b", file.read_text(), re.M):
                yield module, name


def drawn() -> dict[str, str]:
    """class → the one above it, as the docstring draws them."""
    above: list[str] = []
    found = {}
    for indent, name in re.findall(
        r"^    ((?:[│├└─ ]{4})*)(\w+Error)\b", errors.__doc__ or "", re.MULTILINE
    ):
        depth = len(indent) // 4
        above[depth:] = [name]
        found[name] = above[depth - 1] if depth else ""
    return found


CLASSES = [(module, name) for module, name in written() if name not in ALONE]


@pytest.mark.parametrize(("module", "name"), CLASSES)
def test_each_error_is_where_the_tree_draws_it(module: str, name: str) -> None:
    kind = getattr(import_module(module), name)
    above = drawn()[name]
    assert issubclass(kind, TrialstreamError)
    assert name == "TrialstreamError" or above in {one.__name__ for one in kind.__mro__[1:]}


@pytest.mark.parametrize(("module", "name"), CLASSES)
def test_each_error_has_one_remedy(module: str, name: str) -> None:
    kind = getattr(import_module(module), name)
    branches = [branch for branch in BRANCHES if issubclass(kind, branch)]
    assert len(branches) == (0 if name in ("TrialstreamError", "ApiError") else 1)


def test_the_tree_draws_no_other() -> None:
    assert set(drawn()) == {name for _, name in CLASSES}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DocumentError("x"), ExitCode.INVALID),
        (BusUnavailableError("x"), ExitCode.KAFKA),
        (OSError("x"), ExitCode.FAILED),
    ],
)
def test_what_has_a_remedy_becomes_a_message_and_an_exit_code(
    error: Exception, code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as left, plain_errors():
        raise error
    assert left.value.exit_code == code
    assert capsys.readouterr().err == "Error: x\n"


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    with pytest.raises(KeyError), plain_errors():
        raise KeyError("x")
