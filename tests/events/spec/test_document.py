"""Every bad document is refused with its place, its line and the remedy; every good one is
completed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.core.differences import differences
from events.spec.collector import CollectorKind
from events.spec.document import InvalidDocumentError, load, load_tree
from events.spec.experiment import ExperimentSpec, ResumePolicy, RetryCause
from events.spec.objective import MetricStrategy, Strategy
from events.spec.yaml import DocumentError
from tests.events.texts import KATIB, OURS, edited
from tests.experiments import experiment_text, experiment_tree

REFUSALS = yaml.safe_load((Path(__file__).parent / "refusals.yaml").read_text())


@pytest.mark.parametrize(
    ("text", "case"),
    [
        pytest.param(text, case, id=name)
        for key, text in (("ours", OURS), ("katib", KATIB))
        for name, case in REFUSALS[key].items()
    ],
)
def test_it_is_refused_with_all_its_problems(text: str, case: dict[str, Any]) -> None:
    with pytest.raises(InvalidDocumentError) as refusal:
        load(edited(text, *((change["from"], change["to"]) for change in case["changes"])))
    assert str(refusal.value).split("\n") == case["says"]


def test_problems_carry_their_paths() -> None:
    with pytest.raises(InvalidDocumentError) as refusal:
        load(edited(OURS, ("maxTrialCount: 10", "maxTrialCount: 0")))
    assert [problem.path for problem in refusal.value.problems] == [("spec", "maxTrialCount")]


def test_ours_has_plain_numbers_and_its_defaults() -> None:
    document = load(OURS.encode())
    spec = document.spec
    assert (document.name, document.namespace, document.labels, document.warnings) == (
        "bowl",
        "default",
        {},
        (),
    )
    assert (spec.parameters[0].space.min, spec.parameters[0].space.max) == (0.01, 0.1)
    assert (spec.parallel_trial_count, spec.max_trial_count, spec.max_failed_trial_count) == (
        3,
        10,
        None,
    )
    assert (spec.algorithm, spec.early_stopping, spec.seed) == (None, None, None)
    assert spec.resume_policy is ResumePolicy.NEVER
    assert (spec.retry.max_retries, spec.retry.causes) == (0, (RetryCause.ERROR, RetryCause.SIGNAL))
    assert spec.budget.wall_clock_seconds is None
    assert spec.metrics_collector_spec.collector.kind is CollectorKind.STDOUT
    assert spec.first_objective.metric_strategies == (
        MetricStrategy(name="loss", value=Strategy.MIN),
    )


@pytest.mark.parametrize("total", [1, 2, 3, 50])
def test_our_default_does_not_depend_on_the_budget_so_that_a_small_one_can_grow(total: int) -> None:
    assert load(edited(OURS, ("maxTrialCount: 10", f"maxTrialCount: {total}"))).spec.parallel == 3


def test_katib_runs_three_at_a_time_and_says_so_if_there_are_fewer() -> None:
    with pytest.raises(
        InvalidDocumentError, match=r"spec\.parallelTrialCount: 3 is more than maxTrialCount, 2"
    ):
        load(edited(KATIB, ("  algorithm:\n", "  maxTrialCount: 2\n  algorithm:\n")))


def test_ours_takes_its_additions() -> None:
    text = edited(
        OURS,
        ("  objective:\n    type: minimize\n    objectiveMetricName: loss\n", ""),
        ("  maxTrialCount: 10", "  maxTrialCount: 10\n  seed: 7\n  budget: {wallClockSeconds: 60}"),
        (
            "  trialTemplate:",
            (
                "  retry: {maxRetries: 2, causes: [OutOfMemory]}\n  trialTemplate:\n    "
                "timeoutSeconds: 1.5"
            ),
        ),
        (
            "  parameters:",
            (
                "  objectives:\n    - {type: maximize, objectiveMetricName: accuracy, goal: 1}\n  "
                "parameters:"
            ),
        ),
    )
    spec = load(text).spec
    assert (spec.seed, spec.budget.wall_clock_seconds, spec.trial_template.timeout_seconds) == (
        7,
        60,
        1.5,
    )
    assert (spec.retry.max_retries, spec.retry.causes) == (2, (RetryCause.OUT_OF_MEMORY,))
    assert (spec.first_objective.metric, spec.first_objective.goal) == ("accuracy", 1)
    assert spec.trial_template.command is not None
    assert spec.trial_template.command[0] == "python"


def test_katib_has_katibs_defaults() -> None:
    document = load(KATIB.encode())
    spec, template = document.spec, document.spec.trial_template
    assert (document.name, document.namespace, document.warnings) == ("bowl", "team", ())
    assert (spec.parallel_trial_count, spec.max_trial_count) == (3, None)
    assert template.success_condition == 'status.conditions.#(type=="Complete")#|#(status=="True")#'
    assert template.failure_condition == 'status.conditions.#(type=="Failed")#|#(status=="True")#'
    assert template.primary_pod_labels == {}


@pytest.mark.parametrize("kind", ["TFJob", "PyTorchJob", "XGBoostJob", "MPIJob"])
def test_training_jobs_have_their_conditions_and_labels(kind: str) -> None:
    template = load(edited(KATIB, ("kind: Job", f"kind: {kind}"))).spec.trial_template
    assert (
        template.success_condition == 'status.conditions.#(type=="Succeeded")#|#(status=="True")#'
    )
    assert template.primary_pod_labels == {"training.kubeflow.org/job-role": "master"}


def test_train_jobs_have_theirs_and_what_is_given_stays() -> None:
    text = edited(
        KATIB,
        ("kind: Job", "kind: TrainJob"),
        ("    trialParameters", "    successCondition: a.b\n    trialParameters"),
    )
    template = load(text).spec.trial_template
    assert template.success_condition == "a.b"
    assert template.failure_condition == 'status.conditions.#(type=="Failed")#|#(status=="True")#'
    assert set(template.primary_pod_labels) == {
        "jobset.sigs.k8s.io/replicatedjob-name",
        "batch.kubernetes.io/job-completion-index",
    }


def test_strategies_follow_the_direction_and_those_given_come_first() -> None:
    more = (
        "objectiveMetricName: loss\n    additionalMetricNames: [a, b]\n    metricStrategies: "
        "[{name: b, value: latest}]"
    )
    objective = load(
        edited(KATIB, ("type: minimize", "type: maximize"), ("objectiveMetricName: loss", more))
    ).spec.first_objective
    written = [(strategy.name, strategy.value.value) for strategy in objective.metric_strategies]
    assert written == [("b", "latest"), ("loss", "max"), ("a", "max")]


def test_in_our_files_the_last_value_of_an_additional_metric_counts() -> None:
    more = (
        "objectiveMetricName: loss\n    additionalMetricNames: [a, b]\n    metricStrategies: "
        "[{name: b, value: max}]"
    )
    objective = load(edited(OURS, ("objectiveMetricName: loss", more))).spec.first_objective
    written = [(strategy.name, strategy.value.value) for strategy in objective.metric_strategies]
    assert written == [("b", "max"), ("loss", "min"), ("a", "latest")]


def test_what_an_earlier_version_admitted_keeps_its_strategies_and_is_the_same_spec() -> None:
    name = "objectiveMetricName: loss"
    more = f"{name}\n    additionalMetricNames: [a]"
    now = load(edited(OURS, (name, more))).spec
    lowest = tuple(MetricStrategy(name=one, value=Strategy.MIN) for one in ("loss", "a"))
    objective = now.first_objective.model_copy(update={"metric_strategies": lowest})
    assert differences(now.model_copy(update={"objective": objective}), now) == []
    chosen = f"{more}\n    metricStrategies: [{{name: a, value: max}}]"
    assert differences(now, load(edited(OURS, (name, chosen))).spec) != []


def test_katib_drops_what_it_does_not_know_and_we_say_so() -> None:
    text = edited(
        KATIB,
        ("algorithmName: random", "algorithmName: random\n    algorithmVersion: 2"),
        (
            "  trialTemplate:",
            "  early: {}\n  budget: {wallClockSeconds: 1}\n  trialTemplate:\n    timeoutSeconds: 3",
        ),
    )
    document = load(text)
    ignored = "is ignored; it is an addition of Trialstream: use apiVersion trialstream.io/v1alpha1"
    assert document.warnings == (
        f"line 18, spec.budget {ignored}",
        f"line 20, spec.trialTemplate.timeoutSeconds {ignored}",
        (
            "line 12, spec.algorithm.algorithmVersion is ignored, as Katib does: it is an unknown "
            "field"
        ),
        "line 17, spec.early is ignored, as Katib does: it is an unknown field",
    )
    assert document.spec == load(KATIB.encode()).spec


def test_python_names_of_fields_are_unknown_to_katib_too() -> None:
    document = load(
        edited(KATIB, ("  trialTemplate:", "  resume_policy: {a: 1}\n  trialTemplate:"))
    )
    assert document.warnings == (
        "line 16, spec.resume_policy is ignored, as Katib does: it is an unknown field",
    )


def test_katibs_former_name_of_push_is_read() -> None:
    text = edited(
        KATIB,
        ("  algorithm:\n", "  metricsCollectorSpec: {collector: {kind: None}}\n  algorithm:\n"),
    )
    assert load(text).spec.metrics_collector_spec.collector.kind is CollectorKind.PUSH


def test_nas_documents_are_read() -> None:
    nas = (
        "nasConfig: {graphConfig: {numLayers: 2}, operations: [{operationType: conv}]}\n  "
        "algorithm:\n"
    )
    parameters = (
        "  parameters:\n    - name: lr\n      parameterType: double\n      feasibleSpace: {min: "
        '"0.01", max: "0.1"}\n'
    )
    spec = load(edited(KATIB, ("algorithm:\n", nas), (parameters, ""))).spec
    assert spec.nas_config is not None
    assert spec.nas_config.graph_config.num_layers == 2
    with pytest.raises(
        InvalidDocumentError,
        match=r"spec\.parameters: give either parameters or nasConfig, not both",
    ):
        load(edited(KATIB, ("algorithm:\n", nas)))


def test_a_number_is_the_same_as_a_word_or_plain() -> None:
    quoted = load(edited(OURS, ("min: 0.01, max: 0.1", 'min: "0.01", max: " 1e-1 "'))).spec
    assert quoted == load(OURS.encode()).spec
    katib = load(KATIB.encode()).spec
    assert katib.parameters == load(edited(KATIB, ('max: "0.1"', 'max: "1e-1"'))).spec.parameters
    assert katib.parameters[0] == quoted.parameters[0]


def test_a_field_without_a_value_is_absent_but_a_template_keeps_it() -> None:
    text = edited(
        KATIB,
        ("  algorithm:\n", "  maxTrialCount:\n  algorithm:\n"),
        ("image: train", "image: train\n                stdin:"),
    )
    spec = load(text).spec
    assert spec.max_trial_count is None
    tree: Any = spec.trial_template.trial_spec
    assert tree["spec"]["template"]["spec"]["containers"][0]["stdin"] is None


def test_labels_become_words() -> None:
    document = load(edited(OURS, ("name: bowl", "name: bowl\n  labels: {team: 7, stage: dev}")))
    assert document.labels == {"team": "7", "stage": "dev"}


def test_a_spec_survives_its_own_json() -> None:
    for text in (OURS, KATIB):
        spec = load(text.encode()).spec
        assert type(spec).model_validate_json(spec.model_dump_json()) == spec


def test_json_is_yaml_too() -> None:
    assert load(json.dumps(yaml.safe_load(OURS)).encode()).spec == load(OURS.encode()).spec


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        *(
            ({"parameters": [{"name": "x", "parameterType": kind, "feasibleSpace": space}]}, place)
            for kind, space, place in (
                ("categorical", {"list": [1, 2**70]}, "feasibleSpace.list[1]"),
                ("int", {"min": -(2**70), "max": 1}, "feasibleSpace.min"),
                ("double", {"min": 0, "max": 2**70}, "feasibleSpace.max"),
                ("int", {"min": 0, "max": 1, "step": 2**70}, "feasibleSpace.step"),
            )
        ),
        ({"trialTemplate": {"command": ["train", 2**70]}}, "spec.trialTemplate.command[1]"),
        ({"trialTemplate": {"trialSpec": {"kind": "J", "n": 2**70}}}, "trialTemplate.trialSpec.n"),
        ({"seed": 2**70}, "spec.seed"),
        ({"maxTrialCount": 2**70}, "spec.maxTrialCount"),
    ],
)  # fmt: skip
def test_an_integer_beyond_64_bits_is_refused_with_its_place(fields: Any, place: str) -> None:
    with pytest.raises(DocumentError) as refused:
        load(experiment_text(**fields).encode())
    first = str(refused.value).splitlines()[0]
    assert re.match(rf"line \d+, spec\.\S*{re.escape(place.removeprefix('spec.'))}: ", first)
    assert "71 bits is too large; allowed are -9223372036854775808 to 18446744073709551615" in first


def test_what_never_met_our_yaml_reader_is_examined_as_well() -> None:
    deep: Any = "x"
    for _ in range(1_100):
        deep = [deep]
    for value, words in (
        ("a\0", "NUL"), ("\ud800", "surrogate"), (2**70, "71 bits"), (10**5_000, "bits"),
        (deep, "deeper than 100 levels"), ([0] * 60_000, "more than 50,000 values"),
        (float("nan"), "not finite"),
    ):  # fmt: skip
        tree = experiment_tree(trialTemplate={"trialSpec": {"kind": "Job", "x": value}})
        with pytest.raises(DocumentError, match=words):
            load_tree(tree, {})
    tree = experiment_tree()
    tree["metadata"]["labels"] = {"a": "\0"}
    with pytest.raises(DocumentError, match=r"metadata.labels.a: holds a NUL"):
        load_tree(tree, {})


def test_a_flood_of_trials_at_a_time_is_refused_in_objects_and_bounded_in_what_exists() -> None:
    tree = experiment_tree(maxTrialCount=2_000_000, parallelTrialCount=1_000_000)
    with pytest.raises(DocumentError, match=r"spec.parallelTrialCount: 1000000 .* at most 10,000"):
        load_tree(tree, {})
    earlier = ExperimentSpec.model_validate(tree["spec"], strict=False)
    assert earlier.parallel == 10_000


def test_an_integer_of_thousands_of_digits_is_refused_with_its_line() -> None:
    with pytest.raises(DocumentError, match="line 3: an integer of 5,000 characters is too large"):
        load(experiment_text(seed=1).replace("name: e", "name: " + "1" * 5_000).encode())


def test_a_problem_is_one_line_whatever_it_quotes() -> None:
    tree = experiment_tree("e")
    text = json.dumps({**tree, "spec": {**tree["spec"], "a\nb": 1}}).encode()
    with pytest.raises(InvalidDocumentError) as refused:
        load(text)
    assert str(refused.value) == (
        "line 1, spec.a\\nb: unknown field; see docs/experiment.md for the fields"
    )
