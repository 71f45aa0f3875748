"""What was known of a trial at an earlier moment."""

from dataclasses import replace

from controller.store.queries import Found, TrialRow


def trial_as_of(row: TrialRow, found: Found) -> TrialRow:
    """The row of a trial as it was at the moment of `found`: without the conclusion of a trial that was still live."""
    live = found.experiment.progress.live.get(row.number)
    if live is None:
        return row
    started_at = row.started_at if row.started_at and row.started_at <= found.now else None
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
