"""The one builder of experiments for the tests: a valid document, of which each field can be
replaced."""

from typing import Any

import yaml

from events.spec.document import OURS, load
from events.spec.experiment import ExperimentSpec

DEFAULTS: dict[str, Any] = {
    "objective": {"type": "minimize", "objectiveMetricName": "loss"},
    "algorithm": {"algorithmName": "random"},
    "parameters": [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": 0, "max": 1}}],
    "trialTemplate": {"command": ["train"]},
}


def experiment_tree(
    name: str = "e", *, namespace: str | None = None, version: str = OURS, **fields: Any
) -> dict[str, Any]:
    """An experiment's document. `fields` of the spec, named as in YAML, replace DEFAULTS; None
    leaves one out."""
    spec = {field: value for field, value in {**DEFAULTS, **fields}.items() if value is not None}
    metadata = {"name": name, **({} if namespace is None else {"namespace": namespace})}
    return {"apiVersion": version, "kind": "Experiment", "metadata": metadata, "spec": spec}


def experiment_text(name: str = "e", **fields: Any) -> str:
    """As `experiment_tree`, as YAML with each innermost list or mapping on one line."""
    text: str = yaml.safe_dump(
        experiment_tree(name, **fields), sort_keys=False, default_flow_style=None, width=10_000
    )
    return text


def experiment_spec(name: str = "e", **fields: Any) -> ExperimentSpec:
    """As `experiment_tree`, checked and complete."""
    return load(experiment_text(name, **fields).encode()).spec


def fields_of(text: str) -> dict[str, Any]:
    """Fields of a spec that are written as YAML; none of an empty text."""
    return yaml.safe_load(text) or {}
