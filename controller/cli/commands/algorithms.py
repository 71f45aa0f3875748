"""`algorithms`: list searches and early-stopping rules with their settings, or test a search."""

import warnings
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from algorithms.scheduling import scheduler_catalogue
from algorithms.search import plugin_faults, search_catalogue
from algorithms.search.catalogue.algorithm import Algorithm
from algorithms.search.registry import algorithm_names, find_algorithm
from algorithms.settings import CatalogueEntry
from controller.cli.errors import CommandError, print_warning
from controller.cli.exits import ExitCode
from controller.cli.options import ListFormat, ListOutput
from controller.cli.tables import heading, table
from controller.views import words
from controller.views.summary import as_json


class AlgorithmsAction(StrEnum):
    """What to do with the algorithms."""

    LIST = "list"
    TEST = "test"


def algorithms(
    action: Annotated[
        AlgorithmsAction, typer.Argument(help="list, or test: does a search keep its promises?")
    ] = AlgorithmsAction.LIST,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The search to test, also a plugin.")
    ] = None,
    output: ListFormat = ListOutput.TABLE,
    trials: Annotated[
        int, typer.Option(min=13, help="How many trials the test makes; fewer for slow searches.")
    ] = 30,
) -> None:
    """List the search algorithms and early-stopping rules with their settings, or test a search."""
    if action is AlgorithmsAction.LIST:
        _list(output)
    elif name is None:
        raise CommandError(
            "which one? Such as: trialstream algorithms test random", ExitCode.INVALID
        )
    else:
        _test(_known(name), trials, output)


def _list(output: ListOutput) -> None:
    kinds = {"search": search_catalogue(), "earlyStopping": scheduler_catalogue()}
    if output is ListOutput.JSON:
        typer.echo(
            as_json({kind: [asdict(entry) for entry in entries] for kind, entries in kinds.items()})
        )
    else:
        typer.secho("Search algorithms (spec.algorithm.algorithmName)", bold=True)
        _print(kinds["search"])
        heading("Early stopping (spec.earlyStopping.algorithmName)")
        _print(kinds["earlyStopping"])
    for name, fault in plugin_faults():
        print_warning(f"the plugin {name} {fault}")


def _print(entries: Sequence[CatalogueEntry]) -> None:
    table(("name", "what it does"), [(entry.name, entry.summary) for entry in entries])
    typer.echo("")
    rows = [
        (entry.name, one.name, one.default, one.allowed, one.summary)
        for entry in entries
        for one in entry.settings
    ]
    table(("algorithm", "setting", "default", "allowed", "meaning"), rows)


def _known(name: str) -> str:
    """`name`, if an algorithm of that name can be used here. Raises CommandError."""
    with warnings.catch_warnings(
        record=True, action="always"
    ) as warned:  # a plugin may import from old places
        algorithm = find_algorithm(name)
    for one in warned:
        print_warning(f"{one.filename}:{one.lineno}: {one.message}")
    if algorithm is None:
        raise CommandError(
            f"{name!r} is not a known algorithm; there are: {', '.join(algorithm_names())}",
            ExitCode.INVALID,
        )
    if not isinstance(algorithm, Algorithm):
        raise CommandError(f"the plugin {name} {algorithm.words}", ExitCode.INVALID)
    if algorithm.extra is not None and algorithm.extra.missing:
        raise CommandError(algorithm.extra.problem(name).message, ExitCode.INVALID)
    return name


def _test(name: str, trials: int, output: ListOutput) -> None:
    from algorithms.conformance import (
        Subject,
        examine,
    )  # imports numpy, and what the algorithm needs

    verdicts = list(examine(Subject(name, trials=trials)))
    if output is ListOutput.JSON:
        typer.echo(as_json([asdict(verdict) for verdict in verdicts]))
    else:
        rows = [
            (one.promise, "kept" if one.fault is None else "BROKEN", one.fault or one.meaning)
            for one in verdicts
        ]
        table(("promise", "", "what it means, or what went wrong"), rows)
    broken = sum(one.fault is not None for one in verdicts)
    if broken:
        raise CommandError(f"{name} breaks {words.count(broken, 'promise')}", ExitCode.FAILED)
