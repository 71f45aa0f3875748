"""The log of a local attempt: where it is, how it ends, and why there is none."""

from pathlib import Path

from controller.cluster.local.attempts import Attempt
from controller.store.queries.experiments import ExperimentSnapshot
from controller.store.queries.trials import TrialRow
from events.regular_file import open_regular

TAIL_BYTES = 16 * 1024
"""Read from the end of a log for its last lines."""


def log_file(data: Path, snapshot: ExperimentSnapshot, row: TrialRow, attempt: int) -> Path:
    """Where a local attempt's output is kept."""
    return Path(
        Attempt(
            str(data.absolute()), f"{snapshot.experiment.identity.id}/{row.number}/{attempt}"
        ).log
    )


def last_lines(file: Path, most: int) -> list[str]:
    """The last lines of a log; none if there is no log."""
    try:
        with open_regular(file) as opened:
            start = max(0, opened.seek(0, 2) - TAIL_BYTES)
            opened.seek(start)
            lines = opened.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines[1 if start else 0 :] if line.strip()][-most:]


def missing_words(snapshot: ExperimentSnapshot, row: TrialRow, attempt: int, file: Path) -> str:
    """Why there is no log of this attempt at `file`."""
    if attempt > row.attempt:
        there = f"it had attempts 1 to {row.attempt}" if row.attempt else "it has not started yet"
        name = snapshot.experiment.identity.name
        return f"trial {row.number} of {name} has no attempt {attempt}; {there}"
    return (
        f"attempt {attempt} of trial {row.number} left no log at {file}; "
        "it did not start, or it ran elsewhere: name the folder of that run with --data"
    )
