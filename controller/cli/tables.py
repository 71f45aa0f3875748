"""Tables and lists of titles and texts: coloured in a terminal, plain and never cut in a file or a
pipe."""

import sys
from collections.abc import Collection, Iterable, Sequence

import typer

from controller.views.words import clean

STATE_COLOURS = {
    "Succeeded": "green",
    "Running": "cyan",
    "Pending": "blue",
    "Failed": "red",
    "MetricsUnavailable": "red",
    "EarlyStopped": "yellow",
    "Killed": "bright_black",
    "Stopped": "yellow",
    "Paused": "yellow",
}


def table(
    titles: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[str] = ()
) -> None:
    """Print rows under titles; the columns named in `right` are aligned to the right."""
    cells = [[clean(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _rich(titles, cells, right)
    else:
        _plain(titles, cells, right)


def pairs(rows: Iterable[tuple[str, str]]) -> None:
    """Print `key  value` lines, the values aligned; a value may have several lines."""
    shown = list(rows)
    width = max((len(key) for key, _ in shown), default=0)
    for key, value in shown:
        first, *others = value.split("\n") or [""]
        typer.echo(
            f"{typer.style(key.ljust(width), bold=True)}  {_coloured(clean(first))}".rstrip()
        )
        for line in others:
            typer.echo(f"{' ' * width}  {clean(line)}")


def heading(text: str) -> None:
    """Print a heading after an empty line."""
    typer.echo("")
    typer.secho(text, bold=True)


def _coloured(text: str) -> str:
    colour = STATE_COLOURS.get(text.split(" ", 1)[0])
    return typer.style(text, fg=colour) if colour else text


def _plain(titles: Sequence[str], rows: list[list[str]], right: Collection[str]) -> None:
    widths = [max(len(cell) for cell in column) for column in zip(titles, *rows, strict=True)]
    for row in ([title.upper() for title in titles], *rows):
        cells = (
            cell.rjust(width) if title in right else cell.ljust(width)
            for title, cell, width in zip(titles, row, widths, strict=True)
        )
        typer.echo("  ".join(cells).rstrip())


def _rich(titles: Sequence[str], rows: list[list[str]], right: Collection[str]) -> None:
    # slow to import, and only needed in a terminal
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        shown.add_column(
            Text(title), justify="right" if title in right else "left", overflow="fold"
        )
    for row in rows:
        shown.add_row(*(Text(cell, style=STATE_COLOURS.get(cell, "")) for cell in row))
    Console().print(shown)
