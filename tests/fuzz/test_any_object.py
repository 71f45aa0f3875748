"""Whatever stands in an object of Kubernetes, it is read, refused with words of ours, or passed
over; nothing else comes of it, and nothing takes long."""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import yaml

from controller.app.components import kubernetes_problems
from controller.cluster import AttemptKey, Launch
from controller.cluster.kubernetes.admission import example_assignment
from controller.cluster.kubernetes.api_errors import error_from
from controller.cluster.kubernetes.causes import Finished
from controller.cluster.kubernetes.labels import RULES, Object, key_of, labels_of, parse_rules
from controller.cluster.kubernetes.manifests import ManifestError, manifest
from controller.cluster.kubernetes.objects import ExperimentObject, TrialObject
from controller.cluster.kubernetes.phases import Pending, Running, phase
from controller.cluster.kubernetes.pods import keep_pod, keep_workload
from controller.cluster.kubernetes.policy import DENY
from controller.cluster.kubernetes.projection import refused_status, status_of, with_condition
from controller.cluster.kubernetes.reading import parse_json
from controller.cluster.kubernetes.sidecar import COLLECTOR, Sidecar
from controller.cluster.kubernetes.trial_news import news_of_live
from controller.cluster.kubernetes.trial_objects import live_status
from controller.cluster.kubernetes.workload import Workload
from controller.cluster.kubernetes.workload_cache import JOBSET, TRAIN_JOB, WorkloadCache
from controller.core.edits import edit_refusal
from controller.core.experiment import Experiment, LiveTrial
from events.facts import TrialState
from events.ids import ExperimentId, Shard, TrialNumber
from events.spec.document import load_tree
from events.spec.experiment import ExperimentSpec
from events.spec.gjson import PathError, parse
from events.spec.gjson_lookup import look_up
from events.spec.placeholders import TemplateError
from events.spec.template import ConfigMapSource
from events.spec.validation import problems
from events.spec.yaml import DocumentError
from tests.controller.cluster.kubernetes.objects import JOB
from tests.controller.cluster.kubernetes.test_strange_objects import FULL, FULL_POD
from tests.controller.core.histories import experiment
from tests.experiments import experiment_spec
from tests.fuzz.generator import TEXTS, Generator
from tests.fuzz.within import ask, may_refuse
from tests.tiers import LONG

COUNT = 250_000 if LONG else 3_200
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
UID = str(UUID(int=5))
KEY = AttemptKey(ExperimentId(UUID(int=7)), TrialNumber(3), 2)
SPEC = experiment_spec()
SIDECAR = Sidecar("collector:1", environment={"A": "b"}, pull_secrets=("pull",), secret="more")
WORDS = (
    *TEXTS, "${trialParameters.learningRate}", "${trialParameters.lr}", "${trialSpec.Name}",
    "${trialSpec.Labels[a]}", "main", "training-container", "tensorflow", "pytorch", "Job",
    "PyTorchJob", "TrainJob", "Workflow", "v1", "batch/v1", "kubeflow.org/v1", "True", "Failed",
    "Complete", "Succeeded", "Running", "Created", "Suspended", "Ready", "PodScheduled", "Evicted",
    "DisruptionTarget", "2026-11-22T10:00:00Z", "2026-11-22", "Never", "OnFailure", "OOMKilled",
    "StartError", "ErrImagePull", "InvalidImageName", "NodeLost", COLLECTOR, "$(A)", "[1, 2]",
    '{"a": 1}', "0", "-1", "1.5", "9" * 400, "9" * 5000,
)  # fmt: skip
STEPS = (
    "a", "status", "conditions", "*", "?", "a*b*c", "#", "0", "-1", "9" * 50, "#(type==\"A\")",
    "#(type==\"Failed\")#", "#(%\"*a*\")#", "#(a>1)#", "#(a<=\"x\")", "#(~true)#", "#(a.#(b==1)#)#",
    "@this", "@reverse", "@flatten", "@flatten:{\"deep\":true}", "@keys", "@values", "@join",
    "@tostr", "@fromstr", "@group", "@dig:a", "@dig:#", "@dig:@dig:@this", "[@this,@this]", "[a,b]",
    "{a,\"b\":a}", "!1", "!\"x\"", "@valid", "@pretty", "λ", "\\*", "\\", "'", "\"", "(", ")", "..",
    "{", "}", "[", "]", ",", ":", "~", "%", "!%", "", "*.*.*.*", "[@this,@this]|" * 60, "#." * 50,
    "[[[[@this]]]]|" * 80, "@tostr|" * 40, "@dig:" * 12, "#(a%\"" + "a*" * 500 + "b\")#",
)  # fmt: skip


@cache
def katib() -> list[dict[str, Any]]:
    """Katib's examples as the API server has them."""
    files = sorted(Path("tests/katib").glob("*.yaml"))
    trees = [yaml.load(one.read_bytes(), Loader=yaml.CSafeLoader) for one in files]
    conditions = [{"type": one, "status": "True"} for one in ("Created", "Running", "Restarting")]
    status = {"state": "Running", "conditions": conditions, "completionTime": None}
    trees = [served({**one, "status": status}) for one in trees]
    return [one for one in trees if is_valid(one)]


def is_valid(tree: dict[str, Any]) -> bool:
    try:
        load_tree(tree, {})
    except DocumentError:
        return False
    return True


def served(tree: Any) -> dict[str, Any]:
    """With what the API server sees to: an object with names and ids, and texts as labels."""
    tree = tree if isinstance(tree, dict) else {}
    given = tree.get("metadata")
    metadata = deepcopy(given) if isinstance(given, dict) else {}
    fixed = {"name": "e", "namespace": "n", "uid": UID, "resourceVersion": "1", "generation": 1}
    for name in ("labels", "annotations"):
        found = metadata.get(name)
        pairs = found.items() if isinstance(found, dict) else ()
        metadata[name] = {key: value for key, value in pairs if isinstance(value, str)}
    return {**tree, "metadata": {**metadata, **fixed, "finalizers": []}}


def sent(tree: Any) -> Any:
    """As it comes through the API; what is no JSON, such as half a character, does not."""
    text = json.dumps(tree).replace("NaN", "0").replace("Infinity", "1")
    return parse_json(text.encode())


def changed(make: Generator, tree: Any) -> dict[str, Any]:
    """An object with something changed in it, or any other."""
    other = make.changed(tree) if make.chance.random() < 0.97 else make.tree()
    try:
        return served(sent(served(other)))
    except orjson.JSONDecodeError:
        return served(tree)


def known(fields: str = "") -> Experiment:
    return experiment(9, 3, extra=fields)


def experiment_object(make: Generator) -> None:
    """An Experiment is taken, refused or shown."""
    obj = ExperimentObject.read(changed(make, make.chance.choice(katib())))
    status_of(obj, known(), None, {}, AT)
    refused_status(obj, "InvalidSpec", "words", AT)
    with_condition(obj, AT, "EditRefused", True, "NotEditable", "words")
    with may_refuse(DocumentError):
        loaded = load_tree(dict(obj.document), {})
        edit_refusal(known(), loaded.spec)
        assert not list(problems(loaded.spec, katib=False))
        started(loaded.spec)


def started(spec: ExperimentSpec) -> None:
    """A spec in which nothing is wrong becomes a workload, which says whose it is."""
    if not list(kubernetes_problems(spec, DENY)):
        launch = Launch(KEY, "e", "n", spec, example_assignment(spec), None, Shard(0))
        with may_refuse(ManifestError, TemplateError):
            assert key_of(orjson.loads(orjson.dumps(manifest(launch, SIDECAR, DENY)))) == KEY


def template_object(make: Generator) -> None:
    """A template becomes a workload, or is refused."""
    tree = deepcopy(make.chance.choice(katib()))
    template = tree["spec"]["trialTemplate"]
    if "trialSpec" in template:
        template["trialSpec"] = make.changed(template["trialSpec"])
    with may_refuse(DocumentError, orjson.JSONDecodeError):
        started(load_tree(sent(tree), {}).spec)


def trial_object(make: Generator) -> None:
    """A Trial is one of ours, or nobody's."""
    labels = labels_of(Launch(KEY, "e", "n", experiment_spec(), {}))
    status = {"state": "Running", "attempt": 1, "reason": "", "conditions": []}
    tree = changed(make, {"metadata": {"labels": labels}, "status": status})
    trial = TrialObject.read(tree)
    if trial is not None:
        live = LiveTrial(TrialState.RUNNING, 1)
        live_status(live, trial.conditions, AT)
        list(news_of_live("job", trial.status, trial.status, "words"))


def workload_object(make: Generator) -> None:
    """A workload and its pods have a phase, whatever the rules by which they are judged."""
    labels = labels_of(Launch(KEY, "e", "n", experiment_spec(), {}))
    conditions = (JOB.success, JOB.failure, path_text(make), "")
    rules: Any = {
        "success": make.chance.choice(conditions), "failure": make.chance.choice(conditions),
        "container": "main", "pod_labels": make.chance.choice(({}, {"a": "b"})), "sidecar": True,
        "retain": False,
    }  # fmt: skip
    rules = make.changed(rules) if make.chance.random() < 0.3 else rules
    metadata = {**FULL["metadata"], "labels": labels, "annotations": {RULES: json.dumps(rules)}}
    thing = keep_workload(changed(make, {**FULL, "metadata": metadata}))
    workload, pods = Workload.of(thing), [keep_pod(changed(make, FULL_POD)) for _ in range(2)]
    judged = JOB if workload is None or workload.rules is None else workload.rules
    found = phase(thing, pods, judged, AT, started=make.chance.random() < 0.5)
    assert isinstance(found, Pending | Running | Finished)
    for pod in pods:
        key_of(pod)
    parse_rules(make.text({}))


def workload_cache(make: Generator) -> None:
    """Whatever comes of workloads and pods, in any order, each is known until it is gone, and then
    nothing of it."""
    told, gone = list[AttemptKey](), list[Workload]()
    nothing: Any = None
    cache = WorkloadCache(nothing, (), nothing, told.append, gone.append)
    ours = {"labels": labels_of(Launch(KEY, "e", "n", SPEC, {}))}
    thing = {**FULL, "kind": make.chance.choice(("Job", TRAIN_JOB)), "metadata": ours}
    pod = {**FULL_POD, "metadata": make.chance.choice((ours, {"labels": {JOBSET: "e"}}))}
    handling: list[tuple[Callable[[Object, bool], None], Object]] = []
    for _ in range(2):
        handling += [(cache._handle_workload, keep_workload(changed(make, thing)))]
        handling += [(cache._handle_pod, keep_pod(changed(make, pod)))]
    for handle, obj in make.chance.choices(handling, k=8):
        handle(obj, make.chance.random() < 0.3)
        assert {one for keys in cache.attempts.values() for one in keys} == set(cache.workloads)
        assert set(cache._train_jobs.values()) <= set(cache.workloads)
    for handle, obj in handling:
        handle(obj, True)
    left = cache.workloads, cache.attempts, cache._train_jobs, cache._pods
    assert left == ({}, {}, {}, {})
    assert {one.key for one in gone} >= set(told)


def path_text(make: Generator) -> str:
    """A path in GJSON, or hardly one."""
    steps = (make.chance.choice(STEPS) for _ in range(make.chance.choice((1, 2, 4, 8, 30))))
    joined = "".join(one + make.chance.choice((".", ".", "|", "")) for one in steps)
    return joined[:-1] if make.chance.random() < 0.7 else joined


def condition(make: Generator) -> None:
    """A path leads somewhere or nowhere, or is refused."""
    document = make.chance.choice((FULL, FULL_POD, make.tree(), [{"a": "a" * 30_000}]))
    with may_refuse(PathError):
        look_up(parse(path_text(make)), document)


def template_text(make: Generator) -> None:
    """The text of a ConfigMap is a template or refused with its place."""
    tree = make.chance.choice(katib())["spec"]["trialTemplate"].get("trialSpec")
    text = json.dumps(make.changed(tree)) if tree and make.chance.random() < 0.5 else None
    text = text or make.damaged(yaml.dump(tree, Dumper=yaml.CSafeDumper).encode()).decode(
        errors="replace"
    )
    source = ConfigMapSource.model_construct(
        config_map_name="m", config_map_namespace="n", template_path="p", template=text
    )
    spec = load_tree(make.chance.choice(katib()), {}).spec
    template = spec.trial_template.model_copy(update={"trial_spec": None, "config_map": source})
    spec = spec.model_copy(update={"trial_template": template})
    if not list(problems(spec, katib=False)):
        started(spec)


def answer(make: Generator) -> None:
    """An answer of the API server, also one that breaks off, is JSON or none."""
    tree = {"kind": "Status", "code": 422, "reason": "Invalid", "message": "m", "details": {}}
    sample = make.chance.choice((*katib(), tree))
    data = json.dumps(changed(make, sample)).encode()
    data = data[: make.chance.randrange(len(data))] if make.chance.random() < 0.5 else data
    data = make.damaged(data) if make.chance.random() < 0.5 else data
    if make.chance.random() < 0.05:
        data = make.chance.choice((b'"', b"[", b'{"a":', b'\\"', b"]", b'[""')) * 30_000
    with may_refuse(orjson.JSONDecodeError):
        found = parse_json(data)
        if isinstance(found, dict):
            assert str(error_from(found))


KINDS: Sequence[Callable[[Generator], None]] = (
    experiment_object, template_object, template_object, trial_object, workload_object,
    workload_object, workload_cache, condition, template_text, answer,
)  # fmt: skip


def test_any_object_is_read_refused_or_passed_over() -> None:
    ask(COUNT, lambda make: make.chance.choice(KINDS)(make), *WORDS)
