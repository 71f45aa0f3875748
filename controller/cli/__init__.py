"""The command line `trialstream COMMAND ...`.

The module of a command is imported when the command is used.
"""

import gc
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from controller.cli.errors import plain_errors

# command → module and function, and its line in the help
COMMANDS = {
    "run": ("run:run", "Run an experiment, or resume it."),
    "check": ("check:check", "Check an experiment file and show what it would do."),
    "list": ("list:experiments", "List the experiments."),
    "show": ("show:show", "Show everything about one experiment."),
    "trials": ("trials:trials", "List the trials of an experiment."),
    "logs": ("logs:logs", "Print the log of a trial."),
    "events": ("events:stream", "Print what happened in an experiment, one event a line."),
    "why": ("why:why", "Explain one trial: why it was made, and how it ended."),
    "export": ("export:export", "Write all trials as CSV or JSON lines."),
    "report": ("report:report", "Write a report as a single HTML file that works offline."),
    "submit": ("submit:submit", "Hand an experiment to the controllers."),
    "pause": ("pause:pause", "Pause an experiment of the controllers."),
    "resume": ("resume:resume", "Resume a paused or stopped experiment of the controllers."),
    "stop": ("stop:stop", "Stop an experiment and its running trials."),
    "delete": ("delete:delete", "Delete an experiment with its trials, metrics, events and logs."),
    "subscribe": (
        "subscribe:subscribe",
        "Print the events of experiments as they come from Kafka.",
    ),
    "controller": ("controller:controller", "Run a controller, one of several."),
    "collect": (
        "collectors.command:collect",
        "Collect what one trial reports: the program of the sidecar.",
    ),
    "topics": ("topics:topics", "Create or check the topics that the controllers share."),
    "dead-letters": ("dead_letters:dead_letters", "List, show, redrive or drop records put aside."),
    "algorithms": ("algorithms:algorithms", "List the algorithms, or test one."),
}


class LazyCommands(TyperGroup):
    """Commands as names and lines of help. A command itself is loaded when it is used."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, (_, summary) in COMMANDS.items():
            self.add_command(TyperCommand(name, help=summary, rich_markup_mode=None))

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        for flag in self.get_params(ctx):
            if flag.default is None:
                flag.default = False  # typer imports pydantic to convert None, 0.3 s at each Tab
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(name) if name and command else None, rest

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        with plain_errors():
            return super().invoke(ctx)


def load(name: str) -> Any:
    """The command of this name, its module imported."""
    module, _, function = COMMANDS[name][0].partition(":")
    if "." not in module:
        module = f"controller.cli.commands.{module}"
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name)(getattr(import_module(module), function))
    return typer.main.get_command(single)


app = typer.Typer(
    name="trialstream",
    cls=LazyCommands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Tune hyperparameters as a stream of events.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(f"trialstream {version_of('trialstream')}")
        except PackageNotFoundError:
            typer.echo("trialstream (not installed)")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_say_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Tune hyperparameters as a stream of events."""


def main() -> None:
    """The console script `trialstream`."""
    gc.set_threshold(10_000)  # a start makes objects and leaves no garbage: a sixth of its time
    if sys.argv[1:2] == [
        "collect"
    ]:  # it has its own options, and starts in the pod of each trial: without these imports
        sys.exit(import_module("collectors.command").main(sys.argv[2:]))
    app()
