"""`algorithms`: the searches and early-stopping rules with their settings."""

from collections.abc import Sequence
from dataclasses import asdict

import typer

from algorithms import search, stopping
from algorithms.settings import Entry
from controller.cli.listing import ListFormat, ListOutput
from controller.cli.summary import as_json
from controller.cli.tables import heading, table


def algorithms(output: ListFormat = ListOutput.TABLE) -> None:
    """List the search algorithms and early-stopping rules with their settings."""
    kinds = {"search": search.catalogue(), "earlyStopping": stopping.catalogue()}
    if output is ListOutput.JSON:
        typer.echo(as_json({kind: [asdict(entry) for entry in entries] for kind, entries in kinds.items()}))
        return
    typer.secho("Search algorithms (spec.algorithm.algorithmName)", bold=True)
    _print(kinds["search"])
    heading("Early stopping (spec.earlyStopping.algorithmName)")
    _print(kinds["earlyStopping"])


def _print(entries: Sequence[Entry]) -> None:
    table(("name", "what it does"), [(entry.name, entry.summary) for entry in entries])
    typer.echo("")
    rows = [
        (entry.name, one.name, one.default, one.allowed, one.summary) for entry in entries for one in entry.settings
    ]
    table(("algorithm", "setting", "default", "allowed", "meaning"), rows)
