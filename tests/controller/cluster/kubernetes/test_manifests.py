"""Workloads as they are created: every kind of Katib's examples, with marks, collector and nothing
forbidden."""

import copy
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.cluster import AttemptKey, Launch
from controller.cluster.kubernetes.labels import (
    EXPERIMENT_ID,
    RULES,
    key_of,
    parse_rules,
    workload_name,
)
from controller.cluster.kubernetes.manifests import ManifestError, manifest, workload_problems
from controller.cluster.kubernetes.policy import DENY, Policy, forbidden_fields
from controller.cluster.kubernetes.report_module import COPIED, COPIER, IN_IMAGE
from controller.cluster.kubernetes.sidecar import (
    COLLECTOR,
    FOLDER,
    IMPORTER,
    VOLUME,
    WRAPPER,
    Sidecar,
)
from controller.cluster.kubernetes.templates import primary_templates
from events.ids import ExperimentId, Shard, TrialNumber
from events.spec.collector import (
    REPORT_FILE,
    Collector,
    CollectorKind,
    FileSystemPath,
    MetricsCollectorSpec,
    Source,
)
from events.spec.defaults import with_defaults
from events.spec.document import load
from events.spec.experiment import ExperimentSpec
from events.spec.problem import text_of
from events.spec.template import TrialTemplate

ROOT = Path(__file__).parents[4]
KATIB = ROOT / "tests" / "katib"
SIDECAR = Sidecar(
    "collector:1",
    environment={"TRIALSTREAM_KAFKA": "kafka:9092"},
    pull_secrets=("pull",),
    secret="more",
)
KEY = AttemptKey(ExperimentId(UUID(int=7)), TrialNumber(3), 2)


def launch(spec: ExperimentSpec, **assignment: Any) -> Launch:
    return Launch(KEY, "exp", "team", spec, assignment, None, Shard(5))


def example(name: str) -> tuple[Launch, dict[str, Any]]:
    """The workload of an example; each parameter has the value 1."""
    spec = load((KATIB / f"{name}.yaml").read_bytes()).spec
    one = launch(spec, **{parameter.name: 1 for parameter in spec.parameters})
    before = copy.deepcopy(spec.trial_template.trial_spec)
    made = manifest(one, SIDECAR, DENY)
    assert spec.trial_template.trial_spec == before
    assert "trialParameters" not in str(made)
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == (workload_name(one), "team")
    assert key_of(made) == KEY
    return one, made


def collectors(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in pod.get("initContainers", []) if one["name"] == COLLECTOR]


def test_what_stands_for_a_parameter_that_does_not_exist_is_left_out() -> None:
    one = launch(load((KATIB / "random.yaml").read_bytes()).spec, lr=0.1, momentum=0.2)
    parameters = [{"name": "lr", "parameterType": "double", "feasibleSpace": {"min": 0, "max": 1}}]
    parameters += [
        {**parameters[0], "name": "momentum", "condition": {"parameter": "lr", "range": [0.5, 1]}}
    ]
    container = {
        "name": "main",
        "image": "train",
        "command": ["train", "--lr=${trialParameters.lr}", "--momentum=${trialParameters.m}"],
        "env": [{"name": "MOMENTUM", "value": "${trialParameters.m}"}],
    }
    template = {
        "primaryContainerName": "main",
        "trialParameters": [
            {"name": "lr", "reference": "lr"},
            {"name": "m", "reference": "momentum"},
        ],
        "trialSpec": {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "labels": {"momentum": "${trialParameters.m}", "lr": "${trialParameters.lr}"}
            },
            "spec": {
                "completions": "${trialParameters.m}",
                "template": {"spec": {"containers": [container]}},
            },
        },
    }
    spec = ExperimentSpec.model_validate(
        {"objective": {"type": "minimize", "objectiveMetricName": "loss"}, "parameters": parameters,
         "trialTemplate": template},
        strict=False,
    )  # fmt: skip
    made = manifest(replace(one, spec=spec, assignment={"lr": 0.25}), SIDECAR, DENY)
    main = made["spec"]["template"]["spec"]["containers"][0]
    assert main["command"][len(WRAPPER) :] == ["train", "--lr=0.25"]
    assert "MOMENTUM" not in {entry["name"] for entry in main["env"]}
    assert "momentum" not in made["metadata"]["labels"]
    assert made["metadata"]["labels"]["lr"] == "0.25"
    assert "completions" not in made["spec"]


def test_a_job_gets_a_collector_and_its_command_wrapped() -> None:
    one, made = example("random")
    pod = made["spec"]["template"]["spec"]
    main = pod["containers"][0]
    template = one.spec.trial_template.trial_spec
    assert template is not None
    own = template["spec"]["template"]["spec"]["containers"][0]
    assert main["command"][: len(WRAPPER)] == WRAPPER
    assert main["command"][len(WRAPPER) :] == [
        re.sub(r"\$\{.*?\}", "1", word) for word in own["command"]
    ]
    (collector,) = collectors(pod)
    assert pod["initContainers"][0] is collector
    assert collector["restartPolicy"] == "Always"
    assert collector["securityContext"]["runAsNonRoot"]
    words = collector["args"]
    assert words[words.index("--trial") + 1] == "3"
    assert words[words.index("--shard") + 1] == "5"
    assert [words[at + 1] for at, word in enumerate(words) if word == "--metric"] == list(
        one.spec.metrics
    )
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    assert collector["envFrom"] == [{"secretRef": {"name": "more"}}]
    assert made["spec"]["backoffLimit"] == 0
    assert "ttlSecondsAfterFinished" not in made["spec"]
    assert made["spec"]["template"]["metadata"]["labels"][EXPERIMENT_ID] == str(KEY.experiment)
    assert pod["automountServiceAccountToken"] is False
    rules = parse_rules(made["metadata"]["annotations"][RULES])
    assert rules is not None
    assert (rules.container, rules.sidecar) == (own["name"], True)


def test_only_the_master_of_a_pytorchjob_gets_a_collector() -> None:
    _, made = example("pytorchjob-mnist")
    replicas = made["spec"]["pytorchReplicaSpecs"]
    pods = {name: one["template"]["spec"] for name, one in replicas.items()}
    assert {name: len(collectors(pod)) for name, pod in pods.items()} == {"Master": 1, "Worker": 0}
    assert all(EXPERIMENT_ID in one["template"]["metadata"]["labels"] for one in replicas.values())
    assert made["spec"]["runPolicy"]["backoffLimit"] == 0


TF_REPLICAS = {"Chief": 1, "PS": 1, "Worker": 2}
MASTER = {"training.kubeflow.org/job-role": "master"}


@pytest.mark.parametrize(
    ("replicas", "labels", "collected"),
    [
        (TF_REPLICAS, None, ["Chief"]),
        ({"Worker": 2}, None, ["Worker"]),
        ({"PS": 1, "Worker": 1}, None, ["Worker"]),
        ({"Master": 1, "Worker": 2}, None, ["Master"]),
        (TF_REPLICAS, {"training.kubeflow.org/replica-type": "worker"}, ["Worker"]),
    ],
    ids=str,
)
def test_the_chief_of_a_tfjob_is_collected_from_else_its_workers(
    replicas: dict[str, int], labels: dict[str, str] | None, collected: list[str]
) -> None:
    container = {"name": "tensorflow", "image": "i", "command": ["train"]}
    specs = {
        name: {"replicas": count, "template": {"spec": {"containers": [copy.copy(container)]}}}
        for name, count in replicas.items()
    }
    tree = {
        "apiVersion": "kubeflow.org/v1", "kind": "TFJob", "spec": {"tfReplicaSpecs": specs},
    }  # fmt: skip
    template = TrialTemplate(
        trial_spec=tree, primary_container_name="tensorflow", primary_pod_labels=labels or {}
    )
    spec = with_defaults(ExperimentSpec(trial_template=template))
    assert spec.trial_template.primary_pod_labels == (labels or MASTER)
    assert list(workload_problems(spec, DENY)) == []
    made = manifest(launch(spec), SIDECAR, DENY)["spec"]["tfReplicaSpecs"]
    found = {name: collectors(one["template"]["spec"]) for name, one in made.items()}
    assert [name for name, one in found.items() if one] == collected


def test_of_two_workers_the_first_alone_reports() -> None:
    """Both have a collector, for one template makes them; each is told which pod it is in."""
    one, made = example("tfjob-mnist-with-summaries")
    assert list(workload_problems(one.spec, DENY)) == []
    workers = made["spec"]["tfReplicaSpecs"]["Worker"]
    assert workers["replicas"] == 2
    (collector,) = collectors(workers["template"]["spec"])
    told = {entry["name"]: entry.get("valueFrom") for entry in collector["env"]}
    place = "metadata.labels['training.kubeflow.org/replica-index']"
    assert told["TRIALSTREAM_REPLICA"] == {"fieldRef": {"fieldPath": place}}


def test_only_the_launcher_of_an_mpijob_gets_a_collector() -> None:
    """The label that names its role is set by the operator: no template has it."""
    one, made = example("mpijob-horovod")
    assert list(workload_problems(one.spec, DENY)) == []
    replicas = made["spec"]["mpiReplicaSpecs"]
    pods = {name: one["template"]["spec"] for name, one in replicas.items()}
    assert {name: len(collectors(pod)) for name, pod in pods.items()} == {
        "Launcher": 1,
        "Worker": 0,
    }


def test_a_step_of_argo_gets_a_collector() -> None:
    _, made = example("argo-workflow")
    step = next(one for one in made["spec"]["templates"] if one["name"] == "model-training")
    assert len(collectors(step)) == 1
    assert step["container"]["command"][: len(WRAPPER)] == WRAPPER
    assert step["metadata"]["labels"]["katib.kubeflow.org/model-training"] == "true"


def test_a_trainjob_is_heard_by_its_log() -> None:
    _, made = example("trainjob-pytorch")
    rules = parse_rules(made["metadata"]["annotations"][RULES])
    assert rules is not None
    assert not rules.sidecar
    assert COLLECTOR not in str(made)
    assert made["spec"]["trainer"]["numNodes"] == 2


def test_a_file_is_shared_and_the_command_left_alone() -> None:
    one, made = example("file-metrics-collector-with-json-format")
    pod = made["spec"]["template"]["spec"]
    (collector,) = collectors(pod)
    main = pod["containers"][0]
    assert main["command"][0] == "python3"
    folder = str(Path(one.spec.metrics_collector_spec.path).parent)
    assert folder in [mount["mountPath"] for mount in main["volumeMounts"]]
    shared = [mount for mount in collector["volumeMounts"] if mount["mountPath"] == folder]
    assert [mount["readOnly"] for mount in shared] == [True]


@pytest.mark.parametrize(
    ("mounted", "below"), [("/out", ["--below", "/out"]), ("/out/run", []), ("/else", [])]
)
def test_no_link_is_followed_out_of_the_mount_that_has_the_file(
    mounted: str, below: list[str]
) -> None:
    """Which is named where it is not just the file's folder: a collector may be of an older
    image."""
    spec = document({"volumes": [{"name": "v", "emptyDir": {}}]})
    template = spec.trial_template.trial_spec
    assert template is not None
    pod = template["spec"]["template"]["spec"]
    pod["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": mounted}]
    path = FileSystemPath(path="/out/run/metrics.log", kind="File")
    collector = MetricsCollectorSpec(
        collector=Collector(kind=CollectorKind.FILE), source=Source(file_system_path=path)
    )
    values = {parameter.name: 1 for parameter in spec.parameters}
    one = launch(spec.model_copy(update={"metrics_collector_spec": collector}), **values)
    (made,) = collectors(manifest(one, SIDECAR, DENY)["spec"]["template"]["spec"])
    words = made["args"]
    assert words[words.index("/trialstream/spool") + 3 :][:2] == below


PUSH = MetricsCollectorSpec(collector=Collector(kind=CollectorKind.PUSH))


def pushing(spec: ExperimentSpec) -> Launch:
    update = {"metrics_collector_spec": PUSH}
    values = {parameter.name: 1 for parameter in spec.parameters}
    return launch(spec.model_copy(update=update), **values)


def test_a_program_that_pushes_finds_its_file_and_the_module() -> None:
    pod = manifest(pushing(document({})), SIDECAR, DENY)["spec"]["template"]["spec"]
    (main,), (collector,) = pod["containers"], collectors(pod)
    assert main["command"] == [*IMPORTER, "train", "1"]
    file = {entry["name"]: entry["value"] for entry in main["env"]}[REPORT_FILE]
    words = collector["args"]
    assert words[words.index("--file") + 1] == file
    assert '"Push"' in words[words.index("--spec") + 1]
    mount = {"name": VOLUME, "mountPath": str(Path(file).parent)}
    assert [main["volumeMounts"], collector["volumeMounts"]] == [[mount], [mount]]
    assert pod["volumes"] == [{"name": VOLUME, "emptyDir": {}}]
    assert [one["name"] for one in pod["initContainers"]] == [COLLECTOR]


def test_the_command_of_an_image_is_left_alone_and_collected_from() -> None:
    spec = document({"containers": [{"name": "main", "image": "i"}]})
    made = manifest(pushing(spec), SIDECAR, DENY)
    pod = made["spec"]["template"]["spec"]
    assert "command" not in pod["containers"][0]
    assert len(collectors(pod)) == 1
    assert REPORT_FILE in str(pod["containers"][0]["env"])


def test_workers_that_run_the_program_can_import_it_and_report_nothing() -> None:
    spec = load((KATIB / "pytorchjob-mnist.yaml").read_bytes()).spec
    replicas = manifest(pushing(spec), SIDECAR, DENY)["spec"]["pytorchReplicaSpecs"]
    pods = {name: one["template"]["spec"] for name, one in replicas.items()}
    starting = {name: [one["name"] for one in pod["initContainers"]] for name, pod in pods.items()}
    assert starting == {"Master": [COLLECTOR], "Worker": [COPIER]}
    (main,), (copier,) = pods["Worker"]["containers"], pods["Worker"]["initContainers"]
    assert main["command"][: len(IMPORTER)] == IMPORTER
    assert REPORT_FILE not in str(main)
    assert copier["securityContext"]["runAsNonRoot"]
    assert [f"{FOLDER}/{Path(word).name}" for word in copier["command"][3:-1]] == [
        f"{FOLDER}/{name}" for name in COPIED
    ]
    assert pods["Worker"]["imagePullSecrets"] == [{"name": "pull"}]


def test_what_the_copier_copies_is_in_the_image() -> None:
    image = ROOT / "deploy" / "image"
    text = (image / "Containerfile").read_text()
    assert {name for name in COPIED if f"{IN_IMAGE}/{name}" in text or (image / name).exists()} == {
        *COPIED
    }
    assert "COPY trialstream_report /opt/trialstream/python/trialstream_report" in text


def test_who_wraps_a_command_leaves_the_path_of_its_image() -> None:
    code = "import os, trialstream_report; print(os.environ['PYTHONPATH'])"
    script = (ROOT / "deploy" / "image" / "report").read_text().replace(FOLDER, "/nowhere")
    for before, after in (("", "/nowhere/python"), (str(ROOT), f"{ROOT}:/nowhere/python")):
        done = subprocess.run(
            ["sh", "-c", script, "report", sys.executable, "-c", code],
            env={"PYTHONPATH": before}, cwd=ROOT, text=True, capture_output=True, check=True,
        )  # fmt: skip
        assert done.stdout.strip() == after


OWN_COLLECTOR = {"name": "mine", "image": "mine:1", "command": ["collect"]}
COLLECTORS = {
    "Push": {}, "File": {}, "TensorFlowEvent": {}, "PrometheusMetric": {},
    "Custom": {"customCollector": OWN_COLLECTOR},
}  # fmt: skip


CLOSED = {"TrainJob": "trainer.kubeflow.org/v1alpha1", "PipelineRun": "tekton.dev/v1"}


@pytest.mark.parametrize("collector", COLLECTORS)
@pytest.mark.parametrize("kind", CLOSED)
def test_who_cannot_be_collected_from_is_told_before(kind: str, collector: str) -> None:
    tree = {"collector": {"kind": collector, **COLLECTORS[collector]}}
    spec = ExperimentSpec(
        trial_template=TrialTemplate(
            trial_spec={"apiVersion": CLOSED[kind], "kind": kind, "spec": {}},
            primary_container_name="node",
        ),
        metrics_collector_spec=MetricsCollectorSpec.model_validate(tree, strict=False),
    )
    (problem,) = workload_problems(spec, DENY)
    assert text_of(problem.path) == "spec.metricsCollectorSpec.collector.kind"
    assert f"a {kind} cannot be collected from with {collector}" in problem.message
    assert "use StdOut" in problem.message


def test_a_trainjob_s_log_can_be_collected_from() -> None:
    spec = load((KATIB / "trainjob-pytorch.yaml").read_bytes()).spec
    assert list(workload_problems(spec, DENY)) == []


def test_metadata_may_be_referred_to() -> None:
    one, made = example("trial-metadata-substitution")
    container = made["spec"]["template"]["spec"]["containers"][0]
    values = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert workload_name(one) in values.values()
    assert values["KATIB_TRIAL_NAME"] == "exp-3"
    assert values["PYTHONUNBUFFERED"] == "1"


def document(pod: dict[str, Any], **job: Any) -> ExperimentSpec:
    container = {"name": "main", "image": "i", "command": ["train", "${trialParameters.lr}"]}
    tree = {
        "apiVersion": "batch/v1", "kind": "Job",
        "spec": {"template": {"spec": {"containers": [container], "restartPolicy": "Never", **pod}},
            **job},
    }  # fmt: skip
    return ExperimentSpec.model_validate(
        {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "parameters": [
                {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": 0, "max": 9}}
            ],
            "trialTemplate": {"trialSpec": tree, "primaryContainerName": "main"},
        },
        strict=False,
    )


def test_numbers_go_only_where_numbers_are_taken() -> None:
    made = manifest(launch(document({}, parallelism="${trialParameters.lr}"), lr=2), SIDECAR, DENY)
    assert made["spec"]["parallelism"] == 2
    assert made["spec"]["template"]["spec"]["containers"][0]["command"][-1] == "2"


def test_a_value_is_never_code() -> None:
    evil = '"; $(rm -rf /) \\ ${trialParameters.lr}\n'
    made = manifest(launch(document({}), lr=evil), SIDECAR, DENY)
    assert made["spec"]["template"]["spec"]["containers"][0]["command"][-1] == evil


def test_a_placeholder_cannot_smuggle_in_what_is_forbidden() -> None:
    spec = document({"serviceAccountName": "${trialParameters.lr}"})
    assert manifest(launch(spec, lr="default"), SIDECAR, DENY)
    with pytest.raises(
        ManifestError,
        match=r"serviceAccountName: 'admin' is not allowed; allowed are default, argo",
    ):
        manifest(launch(spec, lr="admin"), SIDECAR, DENY)


FORBIDDEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "privileged": ({"securityContext": {"privileged": True}}, {"privileged": True}),
    "capabilities": (
        {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}},
        {"privileged": True},
    ),
    "node": ({"nodeName": "control-plane"}, {"privileged": True}),
    "host path": ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, {"host_path": True}),
    "host network": ({"hostNetwork": True}, {"host_namespaces": True}),
    "host port": ({"containers": [{"ports": [{"hostPort": 80}]}]}, {"host_namespaces": True}),
    "service account": ({"serviceAccountName": "admin"}, {"service_accounts": ("admin",)}),
    "old service account": ({"serviceAccount": "admin"}, {"service_accounts": ("admin",)}),
}


@given(st.data())
def test_wherever_it_stands_it_is_found_and_can_be_allowed(data: st.DataObject) -> None:
    tree, allowed = FORBIDDEN[data.draw(st.sampled_from(sorted(FORBIDDEN)))]
    place = data.draw(
        st.lists(st.sampled_from(["spec", "template", "tasks", 0]), min_size=1, max_size=6)
    )
    for key in reversed(place):
        tree = {key: tree} if isinstance(key, str) else [{"name": "other"}, tree]  # type: ignore[assignment]
    found = list(forbidden_fields(tree, DENY))
    assert len(found) == 1
    assert "[kubernetes]" in found[0][1]
    assert list(forbidden_fields(tree, Policy(**allowed))) == []


def test_what_cannot_run_is_said_before_it_is_admitted() -> None:
    assert [one.path for one in workload_problems(document({"hostNetwork": True}), DENY)] == [
        ("spec", "trialTemplate", "trialSpec", "spec", "template", "spec", "hostNetwork")
    ]
    spec = document({})
    misnamed = spec.model_copy(
        update={
            "trial_template": spec.trial_template.model_copy(update={"primary_container_name": "x"})
        }
    )
    (problem,) = workload_problems(misnamed, DENY)
    assert problem.path == ("spec", "trialTemplate", "primaryContainerName")
    assert "containers are: main" in problem.message


POD: dict[str, Any] = {"spec": {"containers": [{"name": "main", "image": "i"}]}}


@pytest.mark.parametrize(
    ("api_version", "body", "labels", "primary"),
    [
        ("ray.io/v1", {"headGroupSpec": {"template": POD}, "workerGroupSpecs": [{"template": POD}]},
            {"ray.io/node-type": "head"}, ["headGroupSpec"]),
        ("batch.volcano.sh/v1alpha1", {"tasks": [{"name": "ps", "template": POD},
            {"name": "worker", "template": POD}]}, {"volcano.sh/task-spec": "ps"}, ["ps"]),
        ("kubeflow.org/v1", {"mpiReplicaSpecs": {"Launcher": {"template": POD}, "Worker":
            {"template": POD}}}, {"training.kubeflow.org/job-role": "master"}, ["Launcher"]),
        ("example.com/v1", {"one": {"template": POD}}, {"example.com/role": "any"}, ["one"]),
        ("batch/v1", {"template": POD}, {"batch.kubernetes.io/job-completion-index": "0"},
            ["spec"]),
        ("batch/v1", {"template": POD}, {"nobody": "sets-it"}, []),
        ("example.com/v1", {"one": {"template": {**POD, "metadata": {"labels": {"role": "a"}}}},
            "two": {"template": POD}}, {"role": "a"}, ["one"]),
    ],
)  # fmt: skip
def test_labels_that_operators_set_are_not_demanded_of_the_template(
    api_version: str, body: dict[str, Any], labels: dict[str, str], primary: list[str]
) -> None:
    template = TrialTemplate(
        trial_spec={"apiVersion": api_version, "kind": "Work", "spec": copy.deepcopy(body)},
        primary_container_name="main",
        primary_pod_labels=labels,
    )
    assert template.trial_spec is not None
    found = primary_templates(copy.deepcopy(template.trial_spec), template)
    assert [one.replica for one in found] == primary
    told = list(workload_problems(ExperimentSpec(trial_template=template), DENY))
    assert [one.path[-1] for one in told] == ([] if primary else ["primaryPodLabels"])


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"env": "x"}, "env"), ({"env": ["x"]}, "env"), ({"volumeMounts": [1]}, "volumeMounts"),
        ({"command": "train"}, "command"),
    ],
)  # fmt: skip
def test_a_container_of_another_shape_is_refused(changed: dict[str, Any], path: str) -> None:
    container = {"name": "main", "image": "i", "command": ["train"], **changed}
    tree = {"template": {"spec": {"containers": [container]}}}
    assert_misshapen("batch/v1", tree, path)


@pytest.mark.parametrize(
    ("api_version", "body", "path"),
    [
        ("batch/v1", {"template": {"spec": {**POD["spec"], "initContainers": 5}}},
            "initContainers"),
        ("batch/v1", {"template": {"spec": {**POD["spec"], "volumes": {}}}}, "volumes"),
        ("kubeflow.org/v1", {"runPolicy": "x", "a": {"template": POD}}, "spec.runPolicy"),
        ("kubeflow.org/v1", {"runPolicy": None, "a": {"template": POD}}, "spec.runPolicy"),
        ("kubeflow.org/v1", {"tfReplicaSpecs": {"PS": [], "Chief": {"template": POD}}},
            "spec.tfReplicaSpecs.PS"),
        ("kubeflow.org/v1", {"mpiReplicaSpecs": [{"template": POD}]}, "spec.mpiReplicaSpecs"),
        ("batch/v1", [{"template": POD}], "spec"),
    ],
)  # fmt: skip
def test_a_workload_of_another_shape_is_refused(api_version: str, body: Any, path: str) -> None:
    assert_misshapen(api_version, body, path)


def assert_misshapen(api_version: str, body: Any, path: str) -> None:
    """It is said before the experiment is admitted, and once a trial starts."""
    template = TrialTemplate(
        trial_spec={"apiVersion": api_version, "kind": "Job", "spec": copy.deepcopy(body)},
        primary_container_name="main",
    )
    spec = ExperimentSpec(trial_template=template)
    where = f"spec.trialTemplate.trialSpec.{path}"
    assert where in [text_of(one.path) for one in workload_problems(spec, DENY)]
    with pytest.raises(ManifestError, match=f"^{re.escape(where)}: must be a"):
        manifest(launch(spec), SIDECAR, DENY)


def test_a_variable_s_name_is_anything() -> None:
    """What Kubernetes refuses is not ours to fail at."""
    spec = document({})
    tree = copy.deepcopy(spec.trial_template.trial_spec)
    assert tree is not None
    tree["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": {}}, {}]
    template = spec.trial_template.model_copy(update={"trial_spec": tree})
    spec = spec.model_copy(update={"trial_template": template})
    made = manifest(launch(spec, lr=1), SIDECAR, DENY)
    (pod,) = primary_templates(made, template)
    assert pod.containers[0]["env"][-2:] == [{"name": {}}, {}]


def test_a_number_of_thousands_of_digits_stays_a_text() -> None:
    job = document({}, parallelism="${trialParameters.lr}")
    made = manifest(launch(job, lr="9" * 5_000), SIDECAR, DENY)
    assert made["spec"]["parallelism"] == "9" * 5_000
