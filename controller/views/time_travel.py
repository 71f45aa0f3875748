"""What was known of a trial at an earlier moment."""

from dataclasses import replace

from controller.store.queries.experiments import ExperimentSnapshot
from controller.store.queries.trials import TrialRow


def trial_as_of(row: TrialRow, snapshot: ExperimentSnapshot) -> TrialRow:
    """The row of a trial as it was at the moment of `snapshot`; a trial that was still live has no
    conclusion."""
    live = snapshot.experiment.progress.live.get(row.number)
    if live is None:
        return row
    started_at = row.started_at if row.started_at and row.started_at <= snapshot.now else None
    return replace(
        row,
        state=live.state,
        attempt=live.attempt,
        ordinal=None,
        cause=None,
        exit_code=None,
        message="",
        observation={},
        value=None,
        values=(),
        violations=(),
        started_at=started_at,
        concluded_at=None,
    )
