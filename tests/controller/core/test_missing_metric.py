"""A trial without its objective says which of the known causes it is, whichever of its end and its
metrics comes first."""

import pytest

from controller.cluster.kubernetes.sidecar import SECURITY
from controller.core.missing_metric import why_unreported
from events.diagnosis import LONGEST_QUOTED, Diagnosis, RefusedValue
from events.facts import Cause, TrialConcluded, TrialState
from events.ids import TrialNumber
from events.signals import MetricsCollected, Signal, WorkloadEnded
from events.spec.objective import Observation
from tests.controller.core.histories import experiment, observation
from tests.controller.core.test_decisions import running

FILE = """  metricsCollectorSpec:
    collector: {kind: File}
    source: {fileSystemPath: {path: /out/metrics, kind: File, format: JSON}}"""
EVENTS = "  metricsCollectorSpec: {collector: {kind: TensorFlowEvent}}"
FILTER = """  metricsCollectorSpec:
    source: {filter: {metricsFormat: ["(loss) is (.*)"]}}"""
PUSH = "  metricsCollectorSpec: {collector: {kind: Push}}"
UNCALLED = "its program has not called report of trialstream_report"
OTHER: Observation = {"accuracy": observation(0.5)["loss"]}


@pytest.mark.parametrize(
    ("extra", "seen", "words"),
    [
        ("", None, "print loss=<number>, or set metricsCollectorSpec"),
        ("", Diagnosis(empty=True), "it printed nothing"),
        ("", Diagnosis(absent=True), "no output of it was collected: its collector did not start"),
        (FILE, Diagnosis(absent=True), "nothing was written to /out/metrics"),
        (
            FILE,
            Diagnosis(absent=True, failure="it has mode 0600 and belongs to user 7"),
            "its collector may not read what it wrote to /out/metrics: it has mode 0600 and "
            "belongs to user 7; write it with a umask of 022",
        ),
        (
            FILE,
            Diagnosis(absent=True, leads_out_of="/out"),
            "a link that leads out of /out is not followed",
        ),
        (PUSH, Diagnosis(absent=True, leads_out_of="/t"), "a link that leads out of /t is not"),
        (FILE, Diagnosis(empty=True), "what it wrote to /out/metrics is empty"),
        (PUSH, Diagnosis(absent=True), UNCALLED),
        (PUSH, None, f"{UNCALLED} with a number as loss"),
        (PUSH, Diagnosis(), f"{UNCALLED} with a number as loss"),
        (PUSH, Diagnosis(others=("acc", "step", "timestamp")), "it reported acc instead"),
        (
            PUSH,
            Diagnosis(others=("step",), nearest=('{"step": 1, "acc": "x"}',)),
            f"{UNCALLED} with a number as loss",
        ),
        ("", Diagnosis(silent=True), "its collector has reported nothing"),
        ("", Diagnosis(nearest=("loss: 1",)), "no line reports it, the nearest is 'loss: 1'"),
        (FILTER, Diagnosis(nearest=("x",)), "no line a filter matches, the nearest is 'x'"),
        (FILTER, Diagnosis(), "no filter of metricsCollectorSpec matches"),
        (
            EVENTS,
            Diagnosis(broken=2, files_left_out=1),
            "2 records of its event files are damaged; 1 event file is beyond as many as are read",
        ),
        (FILE, Diagnosis(skipped=2, nearest=("{",)), "2 lines of it are no JSON object; no line"),
        (
            "",
            Diagnosis(others=("val_loss", "lr"), nearest=("lr=1",)),
            "it reported val_loss and lr",
        ),
        (
            "",
            Diagnosis(values=(RefusedValue(metric="loss", value="1,5"),), nearest=("loss=1,5",)),
            "its value '1,5' is no number",
        ),
        ("", Diagnosis(values=(RefusedValue(metric="acc", value="1,5"),)), "print loss=<number>"),
    ],
)
def test_each_cause_has_its_words(extra: str, seen: Diagnosis | None, words: str) -> None:
    spec = experiment(5, 1, extra=extra).spec
    assert why_unreported(spec, "loss", {}, seen).startswith(words)


def test_a_file_that_the_collector_of_a_pod_may_not_read() -> None:
    """The remedy names the collector's own user, whatever it is."""
    seen = Diagnosis(absent=True, failure="it has mode 0600 and belongs to user 7")
    on_host = experiment(5, 1, extra=FILE).spec
    manifest = {"command": None, "trial_spec": {"apiVersion": "batch/v1", "kind": "Job"}}
    template = on_host.trial_template.model_copy(update=manifest)
    in_pod = on_host.model_copy(update={"trial_template": template})
    said = why_unreported(in_pod, "loss", {}, seen)
    assert said.endswith(
        "write it with a umask of 022, or run its container as the collector's user: "
        f"securityContext: {{runAsUser: {SECURITY['runAsUser']}}}"
    )
    assert "runAsUser" not in why_unreported(on_host, "loss", {}, seen)


def test_a_collector_that_was_lost_in_the_middle() -> None:
    said = why_unreported(experiment(5, 1).spec, "loss", OTHER, Diagnosis(silent=True))
    assert said == "its collector was lost after it had reported 1 value of other metrics"


def test_a_long_line_is_cut() -> None:
    seen = Diagnosis(nearest=("x" * 200,))
    said = why_unreported(experiment(5, 1).spec, "loss", {}, seen)
    assert len(said) < LONGEST_QUOTED + 60


@pytest.mark.parametrize("metrics_first", [True, False])
def test_it_is_kept_until_both_are_known(metrics_first: bool) -> None:
    watch, seen = running(experiment(5, 1), 1), Diagnosis(nearest=("loss: 1",), others=("b",))
    news: list[Signal] = [
        MetricsCollected(trial=TrialNumber(1), attempt=1, observation={}, diagnosis=seen),
        WorkloadEnded(trial=TrialNumber(1), attempt=1, cause=Cause.COMPLETED),
    ]
    for signal in news if metrics_first else news[::-1]:
        facts = watch.hear(signal)
    (concluded,) = [fact for fact in facts if isinstance(fact, TrialConcluded)]
    assert (concluded.state, concluded.diagnosis) == (TrialState.METRICS_UNAVAILABLE, seen)
    assert concluded.message.endswith("instead; no line reports it, the nearest is 'loss: 1'")


@pytest.mark.parametrize(
    ("seen", "kept"),
    [
        (Diagnosis(others=("b",)), False),
        (Diagnosis(refused=1), True),
        (Diagnosis(skipped=1), True),
        (Diagnosis(late=True), True),
        (Diagnosis(broken=1), True),
        (Diagnosis(files_left_out=1), True),
    ],
)
def test_of_a_trial_with_its_objective_only_warnings_are_kept(seen: Diagnosis, kept: bool) -> None:
    watch = running(experiment(5, 1), 1)
    watch.hear(
        MetricsCollected(
            trial=TrialNumber(1), attempt=1, observation=observation(1.0), diagnosis=seen
        )
    )
    facts = watch.hear(WorkloadEnded(trial=TrialNumber(1), attempt=1, cause=Cause.COMPLETED))
    (concluded,) = [fact for fact in facts if isinstance(fact, TrialConcluded)]
    assert concluded.diagnosis == (seen if kept else None)
