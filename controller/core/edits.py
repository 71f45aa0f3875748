"""Which changes of the spec of an experiment that exists are allowed: those that Katib allows."""

from controller.core.differences import differences
from controller.core.experiment import Experiment
from events.facts import Reason
from events.spec.experiment import ExperimentSpec, ResumePolicy

EDITABLE = ("spec.parallelTrialCount", "spec.maxTrialCount", "spec.maxFailedTrialCount")


def edit_refusal(experiment: Experiment, wanted: ExperimentSpec) -> str:
    """Why the spec cannot be edited to be `wanted`; empty if it can."""
    places = [place for place, _, _ in differences(experiment.spec, wanted)]
    fixed = [place for place in places if place not in EDITABLE]
    if fixed:
        return f"{', '.join(fixed)} may not change; editable are {', '.join(EDITABLE)}"
    verdict = experiment.progress.verdict
    spent = verdict is not None and verdict.reason is Reason.MAX_TRIALS_REACHED
    if (
        experiment.done
        and places
        and not (spent and wanted.resume_policy is not ResumePolicy.NEVER)
    ):
        return (
            "the experiment is over; only one that ended because its trials were spent "
            "can run again, with spec.resumePolicy LongRunning or FromVolume"
        )
    return ""
