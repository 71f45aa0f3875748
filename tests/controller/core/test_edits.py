"""An experiment can be edited as Katib allows it: three counts, and only while it may go on."""

from dataclasses import replace

import pytest

from controller.core.edits import EDITABLE, edit_refusal
from controller.core.experiment import Experiment, Verdict
from events.facts import ExperimentState, Reason
from events.spec.experiment import ExperimentSpec, ResumePolicy
from tests.controller.core.histories import experiment


def edited(known: Experiment, **changed: object) -> ExperimentSpec:
    return known.spec.model_copy(update=changed)


def over(reason: Reason, policy: ResumePolicy) -> Experiment:
    known = experiment(5, 1)
    identity = replace(known.identity, spec=edited(known, resume_policy=policy))
    verdict = Verdict(ExperimentState.SUCCEEDED, reason, "it is over")
    progress = replace(known.progress, state=ExperimentState.SUCCEEDED, verdict=verdict)
    return replace(known, identity=identity, progress=progress)


def test_the_three_counts_may_change_while_it_runs() -> None:
    known = experiment(5, 1)
    assert edit_refusal(known, known.spec) == ""
    assert (
        edit_refusal(
            known,
            edited(known, parallel_trial_count=3, max_trial_count=9, max_failed_trial_count=2),
        )
        == ""
    )


def test_what_may_not_change_is_named_with_what_may() -> None:
    refusal = edit_refusal(experiment(5, 1), edited(experiment(5, 1), seed=99))
    assert refusal.startswith("spec.seed may not change; editable are ")
    assert all(place in refusal for place in EDITABLE)


@pytest.mark.parametrize(
    ("reason", "policy", "refused"),
    [
        (Reason.MAX_TRIALS_REACHED, ResumePolicy.LONG_RUNNING, False),
        (Reason.MAX_TRIALS_REACHED, ResumePolicy.NEVER, True),
        (Reason.GOAL_REACHED, ResumePolicy.LONG_RUNNING, True),
    ],
)
def test_one_that_is_over_can_go_on_only_if_its_trials_were_spent(
    reason: Reason, policy: ResumePolicy, refused: bool
) -> None:
    known = over(reason, policy)
    assert edit_refusal(known, known.spec) == ""
    assert (
        "the experiment is over" in edit_refusal(known, edited(known, max_trial_count=9))
    ) is refused
