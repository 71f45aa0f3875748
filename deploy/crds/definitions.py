"""The custom resources: Experiment, in our API group and in Katib's, and Trial."""

from typing import Any

from deploy.crds.rules import add_rules
from deploy.crds.schema import structural_schema
from events.facts import ExperimentState, TrialState
from events.spec.document import CONFIG_MAP_ADDITIONS, PLACES_OF_ADDITIONS
from events.spec.experiment import ExperimentSpec

CATEGORIES = {"kubeflow.org": ("kubeflow", "katib")}
"""Katib's own, by which `kubectl get katib` finds experiments."""
MOST_SHOWN = 100
"""Names in a list of the status; the counters have the total."""
MOST_CONDITIONS = 32
"""There are far fewer; CEL refuses rules on lists without a bound."""
FINISHED = (
    "succeededTrialList", "failedTrialList", "killedTrialList", "earlyStoppedTrialList",
    "metricsUnavailableTrialList",
)  # fmt: skip
_TEXT, _NUMBER, _TIME = (
    {"type": "string"},
    {"type": "integer"},
    {"type": "string", "format": "date-time"},
)


def definitions() -> dict[str, dict[str, Any]]:
    """File name → definition."""
    return {
        "experiments.trialstream.io.yaml": _experiment("trialstream.io", "v1alpha1", strict=True),
        "experiments.kubeflow.org.yaml": _experiment("kubeflow.org", "v1beta1", strict=False),
        "trials.trialstream.io.yaml": _trial(),
    }


def _experiment(group: str, version: str, *, strict: bool) -> dict[str, Any]:
    spec = structural_schema(ExperimentSpec.model_json_schema(by_alias=True), closed=strict)
    config_map = spec["properties"]["trialTemplate"]["properties"]["configMap"]
    for name in CONFIG_MAP_ADDITIONS:  # written when an experiment is admitted, by nobody else
        config_map["properties"].pop(name)
    if not strict:
        for place, additions in PLACES_OF_ADDITIONS.items():
            part = spec
            for step in place:
                part = part["properties"][step]
            for name in additions:
                part["properties"].pop(name, None)
    schema: dict[str, Any] = {
        "type": "object",
        "description": "What to tune, how, and with which trials.",
        "properties": {"spec": spec, "status": _experiment_status()},
        "required": ["spec"],
    }
    parallel = spec["properties"]["parallelTrialCount"]
    parallel.pop("exclusiveMinimum")  # 0 pauses an experiment that is there
    add_rules(schema, strict=strict)
    age = _column("Age", ".metadata.creationTimestamp", kind="date")
    state, katib = _column("State", ".status.state"), [*_last_condition(), age]
    columns = [
        *([state] if strict else katib),
        _column("Trials", ".status.progress"),
        _column("Best", ".status.best"),
        *([age] if strict else []),
        _column("Running", ".status.trialsRunning", kind="integer", priority=1),
        _column("Algorithm", ".spec.algorithm.algorithmName", priority=1),
        _column("Objective", ".spec.objective.objectiveMetricName", priority=1),
    ]
    short = ["exp"] if strict else []
    return _definition(
        group, version, "Experiment", "experiments", short, schema, columns, status=True
    )


def _experiment_status() -> dict[str, Any]:
    counters = (
        "trials", "trialsSucceeded", "trialsFailed", "trialsKilled", "trialsPending",
        "trialsRunning",
        "trialsEarlyStopped", "trialMetricsUnavailable", "observedGeneration",
    )  # fmt: skip
    pair = {"type": "object", "properties": {"name": _TEXT, "value": _TEXT}}
    metric = {
        "type": "object",
        "properties": dict.fromkeys(("name", "min", "max", "latest"), _TEXT),
    }
    names = {"type": "array", "items": _TEXT, "maxItems": MOST_SHOWN}
    live = {**names, "description": f"At most {MOST_SHOWN} of them; the counter has all."}
    told = f"The {MOST_SHOWN} with the highest numbers; the counter has all, and so has Postgres."
    latest = {**names, "description": told}
    lists = {"type": "array", "items": _TEXT, "description": "The lists that leave trials out."}
    return _described(
        "Written by the controller; Postgres has the whole history.",
        state={"type": "string", "enum": [*(one.value for one in ExperimentState), "Refused"]},
        progress=_TEXT,
        best=_TEXT,
        startTime=_TIME,
        completionTime={**_TIME, "nullable": True},
        lastReconcileTime={
            **_TIME,
            "nullable": True,
            "description": "When this status was last written: it is, where something has changed.",
        },
        conditions=_conditions(),
        currentOptimalTrial=_described(
            "The best trial so far.",
            bestTrialName=_TEXT,
            parameterAssignments={"type": "array", "items": pair},
            observation={
                "type": "object",
                "properties": {"metrics": {"type": "array", "items": metric}},
            },
        ),
        front=_described(
            "With several objectives, the trials of the Pareto front.", size=_NUMBER, trials=names
        ),
        runningTrialList=live,
        pendingTrialList=live,
        **dict.fromkeys(FINISHED, latest),
        truncatedTrialLists=lists,
        **dict.fromkeys(counters, _NUMBER),
    )


def _conditions() -> dict[str, Any]:
    condition = _described(
        "One aspect of the state.",
        type=_TEXT, status=_TEXT, reason=_TEXT, message=_TEXT,
        lastTransitionTime=_TIME, lastUpdateTime=_TIME, observedGeneration=_NUMBER,
    )  # fmt: skip
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    items = {**condition, "required": ["type", "status"]}
    return {"type": "array", "items": items, "maxItems": MOST_CONDITIONS, **keyed}


def _trial() -> dict[str, Any]:
    pair = {"type": "object", "properties": {"name": _TEXT, "value": _TEXT}}
    schema = {
        "type": "object",
        "description": ("A running trial, or the best one, shown by the controller; "
            "changing it has no effect."),
        "properties": {
            "spec": _described(
                "The suggestion.",
                experiment=_TEXT, trial=_NUMBER,
                parameterAssignments={"type": "array", "items": pair},
            ),
            # No subresource: the controller alone writes it, and one request writes it whole.
            "status": _described(
                "The state of the trial.",
                state={"type": "string", "enum": [one.value for one in TrialState]},
                attempt=_NUMBER, reason=_TEXT, value=_TEXT, conditions=_conditions(),
            ),
        },
    }  # fmt: skip
    columns = [
        *_last_condition(),
        _column("Age", ".metadata.creationTimestamp", kind="date"),
        _column("Value", ".status.value"),
        _column("Reason", ".status.reason"),
        _column("Experiment", ".spec.experiment", priority=1),
        _column("State", ".status.state", priority=1),
        _column("Attempt", ".status.attempt", kind="integer", priority=1),
    ]
    return _definition(
        "trialstream.io", "v1alpha1", "Trial", "trials", [], schema, columns, status=False
    )


def _described(description: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "description": description, "properties": properties}


def _column(name: str, path: str, *, kind: str = "string", priority: int = 0) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path, "priority": priority}


def _last_condition() -> list[dict[str, Any]]:
    """Katib's columns: the condition that has changed last."""
    last = ".status.conditions[-1:]"
    return [_column("Type", f"{last}.type"), _column("Status", f"{last}.status")]


def _definition(
    group: str, version: str, kind: str, plural: str, short: list[str], schema: dict[str, Any],
    columns: list[dict[str, Any]], *, status: bool,
) -> dict[str, Any]:  # fmt: skip
    names = {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "singular": kind.lower(),
        "shortNames": short,
    }
    served: dict[str, Any] = {
        "name": version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": columns,
        "subresources": {"status": {}} if status else {},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            "labels": {"app.kubernetes.io/part-of": "trialstream"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {**names, "categories": ["all", "trialstream", *CATEGORIES.get(group, ())]},
            "versions": [served],
        },
    }
