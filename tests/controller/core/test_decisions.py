"""Rules of the core, one by one: budgets, causes, pauses, clocks."""

from datetime import timedelta

import pytest

from controller.core.conclusions import MAX_LOSSES
from controller.core.experiment import MOST_VALUES, Experiment, Request
from events.facts import (
    Cause,
    ExperimentConcluded,
    ExperimentDeleted,
    ExperimentDeleting,
    ExperimentState,
    Reason,
    StopReason,
    SuggestionsRequested,
    TrialConcluded,
    TrialPaused,
    TrialScheduled,
    TrialState,
    TrialStopRequested,
)
from events.ids import TrialNumber
from events.signals import (
    DeletionRequested,
    EditRequested,
    ExtensionRequested,
    MetricsCollected,
    PauseRequested,
    ResumeRequested,
    StopRequested,
    SuggestionsMade,
    TimePassed,
    TrialJudged,
    WorkloadEnded,
    WorkloadStarted,
)
from events.spec.objective import Observation
from tests.controller.core.histories import experiment, observation
from tests.controller.core.test_histories import Watch


def running(state: Experiment, count: int) -> Watch:
    """The experiment with `count` trials running."""
    watch = Watch(state)
    watch.hear(TimePassed())
    watch.hear(SuggestionsMade(request=1, assignments=({"x": 1.0},) * count))
    for trial in range(1, count + 1):
        watch.hear(WorkloadStarted(trial=TrialNumber(trial), attempt=1))
    return watch


def end(
    watch: Watch, trial: int, cause: Cause, seen: Observation, attempt: int = 1
) -> TrialConcluded | None:
    """The attempt ends; its conclusion, if it is one."""
    watch.hear(MetricsCollected(trial=TrialNumber(trial), attempt=attempt, observation=seen))
    facts = watch.hear(WorkloadEnded(trial=TrialNumber(trial), attempt=attempt, cause=cause))
    return next((fact for fact in facts if isinstance(fact, TrialConcluded)), None)


def test_more_suggestions_than_a_record_holds_are_asked_for_in_parts() -> None:
    watch = Watch(experiment(MOST_VALUES + 20, parallel=MOST_VALUES + 10))
    (first,) = [fact for fact in watch.hear(TimePassed()) if isinstance(fact, SuggestionsRequested)]
    assert first.count == MOST_VALUES
    facts = watch.hear(SuggestionsMade(request=1, assignments=({"x": 1.0},) * MOST_VALUES))
    (second,) = [fact for fact in facts if isinstance(fact, SuggestionsRequested)]
    assert second.count == 10


@pytest.mark.parametrize(
    ("cause", "seen", "state"),
    [
        (Cause.COMPLETED, observation(1.0), TrialState.SUCCEEDED),
        (Cause.COMPLETED, observation(None), TrialState.METRICS_UNAVAILABLE),
        (Cause.COMPLETED, {}, TrialState.METRICS_UNAVAILABLE),
        (Cause.ERROR, observation(1.0), TrialState.FAILED),
        (Cause.SIGNAL, {}, TrialState.FAILED),
        (Cause.OUT_OF_MEMORY, {}, TrialState.FAILED),
        (Cause.SPAWN_FAILURE, {}, TrialState.FAILED),
        (Cause.TIMEOUT, {}, TrialState.FAILED),
    ],
)
def test_each_cause_has_its_state(cause: Cause, seen: Observation, state: TrialState) -> None:
    conclusion = end(running(experiment(5, 1), 1), 1, cause, seen)
    assert conclusion is not None
    assert conclusion.state is state


@pytest.mark.parametrize("cause", [Cause.LOST, Cause.PREEMPTED, Cause.CANCELLED])
def test_what_is_not_the_trials_fault_is_tried_again_and_spends_nothing(cause: Cause) -> None:
    watch = running(experiment(5, 1, failed=1), 1)
    assert end(watch, 1, cause, {}) is None
    assert watch.facts[-1] == TrialScheduled(trial=TrialNumber(1), attempt=2)
    assert watch.state.progress.counts.concluded == 0


def test_a_trial_that_is_lost_again_and_again_has_failed() -> None:
    watch = running(experiment(5, 1), 1)
    for attempt in range(1, 12):
        conclusion = end(watch, 1, Cause.LOST, {}, attempt)
    assert conclusion is not None
    assert (conclusion.state, conclusion.cause) == (TrialState.FAILED, Cause.LOST)


@pytest.mark.parametrize("cause", [Cause.CANCELLED, Cause.LOST, Cause.PREEMPTED])
def test_an_attempt_that_was_asked_to_stop_is_no_loss_however_often(cause: Cause) -> None:
    """Its end comes after the resume, as it does when somebody changes their mind quickly."""
    watch = running(experiment(5, 1), 1)
    for attempt in range(1, MAX_LOSSES + 3):
        watch.hear(PauseRequested())
        watch.hear(ResumeRequested())
        assert end(watch, 1, cause, {}, attempt) is None
        watch.hear(WorkloadStarted(trial=TrialNumber(1), attempt=attempt + 1))
    assert watch.state.progress.live[TrialNumber(1)].losses == 0
    assert end(watch, 1, Cause.LOST, {}, MAX_LOSSES + 3) is None
    assert watch.state.progress.live[TrialNumber(1)].losses == 1


def test_retries_are_as_many_as_asked_for_and_for_the_causes_asked_for() -> None:
    watch = running(experiment(5, 1, extra="  retry: {maxRetries: 2, causes: [Error]}"), 1)
    assert end(watch, 1, Cause.ERROR, {}) is None
    assert end(watch, 1, Cause.LOST, {}, 2) is None
    assert end(watch, 1, Cause.ERROR, {}, 3) is None
    assert end(watch, 1, Cause.ERROR, {}, 4) is not None
    watch = running(experiment(5, 1, extra="  retry: {maxRetries: 2, causes: [Error]}"), 1)
    assert end(watch, 1, Cause.TIMEOUT, {}) is not None


def test_a_failed_trial_is_never_the_best_and_reaches_no_goal() -> None:
    watch = running(experiment(5, 2, goal=2.0), 2)
    end(watch, 1, Cause.ERROR, observation(1.0))
    end(watch, 2, Cause.COMPLETED, observation(3.0))
    assert watch.state.progress.best is not None
    assert watch.state.progress.best.trial == 2
    assert watch.state.progress.verdict is None


@pytest.mark.parametrize(("limit", "failures"), [(0, 1), (1, 1), (2, 2)])
def test_failed_and_valueless_trials_spend_the_failed_budget(limit: int, failures: int) -> None:
    watch = running(experiment(5, 1, failed=limit), 1)
    for trial in range(1, failures + 1):
        assert watch.state.progress.verdict is None
        cause = Cause.ERROR if trial % 2 else Cause.COMPLETED
        end(watch, trial, cause, {})
        watch.hear(SuggestionsMade(request=trial + 1, assignments=({"x": 1.0},)))
    assert watch.state.progress.state is ExperimentState.FAILED


def test_a_judged_trial_is_early_stopped_unless_it_had_finished() -> None:
    watch = running(experiment(5, 2), 2)
    watch.hear(TrialJudged(trial=TrialNumber(1), attempt=1, message="worse"))
    watch.hear(TrialJudged(trial=TrialNumber(2), attempt=1, message="worse"))
    stopped = end(watch, 1, Cause.CANCELLED, observation(5.0))
    finished = end(watch, 2, Cause.COMPLETED, observation(4.0))
    assert stopped is not None
    assert finished is not None
    assert (stopped.state, stopped.message, finished.state) == (
        TrialState.EARLY_STOPPED,
        "worse",
        TrialState.SUCCEEDED,
    )


def test_a_pause_gives_the_trials_back_and_a_resume_runs_them_again() -> None:
    watch = running(experiment(5, 2), 2)
    watch.hear(PauseRequested())
    assert watch.state.vacancies == 0
    end(watch, 1, Cause.CANCELLED, observation(1.0))
    assert watch.facts[-1] == TrialPaused(trial=TrialNumber(1), attempt=1)
    watch.hear(ResumeRequested())
    assert TrialScheduled(trial=TrialNumber(1), attempt=2) in watch.facts
    end(watch, 2, Cause.CANCELLED, {})
    assert TrialScheduled(trial=TrialNumber(2), attempt=2) in watch.facts


def test_a_stopped_experiment_goes_on_with_what_is_left() -> None:
    watch = running(experiment(3, 2), 2)
    watch.hear(PauseRequested())
    end(watch, 1, Cause.CANCELLED, {})
    watch.hear(StopRequested())
    end(watch, 2, Cause.CANCELLED, {})
    assert watch.state.progress.state is ExperimentState.STOPPED
    assert watch.state.progress.counts.killed == 2
    watch.hear(ResumeRequested())
    assert watch.state.vacancies == 0
    assert watch.state.progress.request is not None
    assert watch.state.progress.request.count == 1


def test_a_resume_takes_back_a_stop_that_is_under_way() -> None:
    watch = running(experiment(2, 2, seconds=10), 2)
    deadline = watch.state.progress.deadline
    assert deadline is not None
    watch.hear(StopRequested())
    watch.hear(ResumeRequested())
    assert watch.state.active
    assert watch.state.progress.deadline == deadline
    end(watch, 1, Cause.CANCELLED, {})
    assert TrialScheduled(trial=TrialNumber(1), attempt=2) in watch.facts
    end(watch, 2, Cause.COMPLETED, observation(1.0))
    end(watch, 1, Cause.COMPLETED, observation(1.0), 2)
    assert watch.state.progress.counts.succeeded == 2
    assert watch.state.progress.state is ExperimentState.SUCCEEDED


def test_a_deletion_stops_what_runs_and_comes_last() -> None:
    watch = running(experiment(3, 1), 1)
    watch.hear(DeletionRequested())
    assert (
        TrialStopRequested(trial=TrialNumber(1), attempt=1, reason=StopReason.EXPERIMENT_ENDED)
        in watch.facts
    )
    assert ExperimentDeleted() not in watch.facts
    end(watch, 1, Cause.CANCELLED, {})
    assert watch.facts[-1] == ExperimentDeleted()
    for signal in (
        DeletionRequested(),
        ResumeRequested(),
        ExtensionRequested(max_trial_count=9),
        TimePassed(),
    ):
        assert watch.hear(signal) == ()


def test_an_experiment_that_is_over_is_deleted_at_once() -> None:
    watch = running(experiment(1, 1), 1)
    end(watch, 1, Cause.COMPLETED, observation(1.0))
    assert watch.hear(DeletionRequested()) == (ExperimentDeleting(), ExperimentDeleted())


def test_more_trials_reopen_only_what_ended_for_want_of_trials() -> None:
    watch = running(experiment(1, 1), 1)
    end(watch, 1, Cause.COMPLETED, observation(1.0))
    assert watch.state.done
    watch.hear(ExtensionRequested(max_trial_count=2))
    assert watch.state.active
    watch = running(experiment(1, 1, goal=2.0), 1)
    end(watch, 1, Cause.COMPLETED, observation(1.0))
    watch.hear(ExtensionRequested(max_trial_count=2))
    assert watch.state.done


def test_an_edit_takes_back_the_open_request_so_its_answer_spends_no_more_than_the_new_budget() -> (
    None
):
    watch = Watch(experiment(None, parallel=2))
    watch.hear(TimePassed())
    facts = watch.hear(EditRequested(parallel_trial_count=1, max_trial_count=1))
    assert facts[-1] == SuggestionsRequested(request=2, count=1)
    assert watch.hear(SuggestionsMade(request=1, assignments=({"x": 0.5}, {"x": 1.0}))) == ()
    watch.hear(SuggestionsMade(request=2, assignments=({"x": 0.5},)))
    assert watch.state.progress.proposed == 1


def test_the_wall_clock_ends_the_experiment_and_does_not_run_in_a_pause() -> None:
    watch = running(experiment(None, 1, seconds=10), 1)
    watch.hear(PauseRequested())
    end(watch, 1, Cause.CANCELLED, {})
    watch.clock += timedelta(hours=1)
    watch.hear(TimePassed())
    watch.hear(ResumeRequested())
    assert watch.state.progress.state is ExperimentState.RUNNING
    watch.clock += timedelta(seconds=10)
    watch.hear(TimePassed())
    end(watch, 1, Cause.CANCELLED, {}, 2)
    concluded = watch.facts[-1]
    assert isinstance(concluded, ExperimentConcluded)
    assert concluded.reason is Reason.WALL_CLOCK_REACHED


def test_an_exhausted_search_ends_the_experiment_after_its_last_trial() -> None:
    watch = Watch(experiment(None, 3))
    watch.hear(TimePassed())
    watch.hear(SuggestionsMade(request=1, assignments=({"x": 1.0},), exhausted=True))
    assert watch.state.progress.verdict is None
    end(watch, 1, Cause.COMPLETED, observation(1.0))
    assert watch.state.progress.verdict is not None
    assert watch.state.progress.verdict.reason is Reason.SEARCH_EXHAUSTED


def test_no_suggestion_for_now_leaves_the_request_open_while_a_result_may_change_it() -> None:
    watch = Watch(experiment(5, 2))
    watch.hear(TimePassed())
    facts = watch.hear(SuggestionsMade(request=1, assignments=({"x": 1.0},)))
    assert facts[-1] == SuggestionsRequested(request=2, count=1)
    assert watch.hear(SuggestionsMade(request=2, told=0)) == ()
    end(watch, 1, Cause.COMPLETED, observation(1.0))
    assert watch.hear(SuggestionsMade(request=2, told=0)) == ()  # it was not told of trial 1 yet
    assert watch.state.progress.request == Request(2, 1)
    watch.hear(SuggestionsMade(request=2, told=1, assignments=({"x": 2.0},)))
    assert watch.state.progress.proposed == 2


def test_a_search_without_a_suggestion_that_waits_for_nothing_has_failed() -> None:
    watch = Watch(experiment(5, 1))
    watch.hear(TimePassed())
    watch.hear(SuggestionsMade(request=1, assignments=({"x": 1.0},)))
    end(watch, 1, Cause.COMPLETED, observation(1.0))
    watch.hear(SuggestionsMade(request=2, told=1))
    concluded = watch.facts[-1]
    assert isinstance(concluded, ExperimentConcluded)
    assert (concluded.state, concluded.reason) == (ExperimentState.FAILED, Reason.SEARCH_FAILED)
    assert "no trial is left to wait for" in concluded.message
    assert concluded.best == 1


def test_a_search_that_fails_fails_the_experiment_in_its_words() -> None:
    watch = Watch(experiment(5, 1))
    watch.hear(TimePassed())
    watch.hear(SuggestionsMade(request=1, error="no such thing"))
    assert watch.state.progress.verdict is not None
    assert (watch.state.progress.state, watch.state.progress.verdict.message) == (
        ExperimentState.FAILED,
        "no such thing",
    )
