"""One or more sample instances of every message."""

import math
from datetime import UTC, datetime, timedelta, timezone

from events import facts, metrics, signals
from events.diagnosis import Diagnosis, ReadTag, RefusedValue
from events.envelope import Body
from events.facts import Cause, ExperimentState, Reason, StopReason, TrialState
from events.ids import TrialNumber
from events.metrics import Point
from events.spec.document import load
from events.spec.objective import Summary
from tests.events.texts import KATIB, OURS

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
ELSEWHERE = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
T = TrialNumber(3)
SEEN = {
    "loss": Summary(min=0.1, max=2.0, latest=None, count=4),
    "é": Summary(),
    "genotype": Summary(text="Genotype()"),
}
OUR_SPEC, KATIB_SPEC = load(OURS.encode()).spec, load(KATIB.encode()).spec
POINTS = tuple(
    Point("loss", n, AT, value)
    for n, value in enumerate((0.25, math.nan, math.inf, -math.inf, -0.0, 5e-324), 1)
)
ENDED, MESSAGE = ExperimentState.SUCCEEDED, 'a "quoted"\nline \\ é'
DIAGNOSIS = Diagnosis(
    silent=True, absent=True, empty=True, refused=2, skipped=3, cut=4, late=True, preset="keras",
    values=(RefusedValue(metric="loss", value="1,5"),), others=("é",), nearest=(MESSAGE,),
    broken=5, files_cut=6, too_long=7, files_left_out=8,
    mixed=(ReadTag(metric="loss", tag="train/é"),),
)  # fmt: skip

SAMPLES: tuple[Body, ...] = (
    facts.ExperimentAdmitted(
        name="bowl", namespace="team", spec=OUR_SPEC, seed=2**62, origin="/home", deadline=ELSEWHERE
    ),
    facts.ExperimentAdmitted(name="bowl", namespace="team", spec=KATIB_SPEC, seed=0),
    facts.SuggestionsRequested(request=1, count=2),
    facts.TrialProposed(trial=T, assignment={"a": True, "b": 1, "c": 1.0, "d": "1"}, told=0),
    facts.TrialScheduled(trial=T, attempt=1),
    facts.TrialWaiting(
        trial=T, attempt=1, reason="Unschedulable", message="0/3 nodes are available"
    ),
    facts.TrialStarted(trial=T, attempt=1),
    *(
        facts.TrialStopRequested(trial=T, attempt=1, reason=reason, message=MESSAGE)
        for reason in StopReason
    ),
    *(
        facts.AttemptEnded(trial=T, attempt=1, cause=cause, exit_code=137, message=MESSAGE)
        for cause in Cause
    ),
    facts.ObservationRecorded(trial=T, attempt=1, observation=SEEN),
    facts.ObservationRecorded(trial=T, attempt=1, observation=SEEN, diagnosis=DIAGNOSIS),
    facts.TrialPaused(trial=T, attempt=2),
    *(
        facts.TrialConcluded(
            trial=T, attempt=1, state=state, cause=Cause.ERROR, observation=SEEN, value=0.1
        )
        for state in TrialState
    ),
    facts.SearchExhausted(),
    facts.SpecEdited(parallel_trial_count=2, max_trial_count=9),
    facts.BudgetExtended(max_trial_count=7),
    facts.ExperimentPaused(),
    facts.ExperimentPaused(seconds_left=1.5),
    facts.ExperimentResumed(deadline=AT),
    *(facts.ExperimentEnding(state=ENDED, reason=reason, message=MESSAGE) for reason in Reason),
    facts.ExperimentConcluded(
        state=ENDED, reason=Reason.STOPPED, message=MESSAGE, best=T, seconds_left=0.0
    ),
    facts.ExperimentDeleting(),
    facts.ExperimentDeleted(),
    signals.ExperimentSubmitted(name="bowl", namespace="team", spec=KATIB_SPEC, seed=7),
    signals.StopRequested(),
    signals.PauseRequested(),
    signals.ResumeRequested(),
    signals.EditRequested(parallel_trial_count=2, max_trial_count=9),
    signals.ExtensionRequested(max_trial_count=9),
    signals.DeletionRequested(),
    signals.SuggestionsMade(
        request=1, assignments=({"a": 1}, {"a": "x"}), told=4, exhausted=True, error=MESSAGE
    ),
    signals.TrialJudged(trial=T, attempt=1, message=MESSAGE),
    signals.WorkloadWaiting(
        trial=T, attempt=1, reason="Unschedulable", message="0/3 nodes are available"
    ),
    signals.WorkloadStarted(trial=T, attempt=1),
    signals.WorkloadEnded(trial=T, attempt=1, cause=Cause.OUT_OF_MEMORY),
    signals.MetricsCollected(trial=T, attempt=1, observation=SEEN, diagnosis=DIAGNOSIS),
    signals.TimePassed(),
    metrics.MetricsReported(trial=T, attempt=1, points=POINTS),
    metrics.MetricsCompleted(trial=T, attempt=1),
    metrics.MetricsCompleted(trial=T, attempt=1, diagnosis=DIAGNOSIS),
    metrics.MetricsCompleted(trial=T, attempt=1, texts={"genotype": "Genotype()"}),
)
