"""What a workload says about itself: its name, the labels that find it, and the rules by which it is judged."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

import orjson

from controller.cluster import Launch
from events.ids import AttemptKey, ExperimentId, TrialNumber

MANAGED_BY = "app.kubernetes.io/managed-by"
US = "trialstream"
EXPERIMENT = "trialstream.io/experiment"
EXPERIMENT_ID = "trialstream.io/experiment-id"
TRIAL = "trialstream.io/trial"
ATTEMPT = "trialstream.io/attempt"
RULES = "trialstream.io/rules"
OURS = f"{MANAGED_BY}={US}"
"""The label selector of all workloads and of their pods."""

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX = 5

Object = Mapping[str, Any]
"""A Kubernetes object as parsed JSON."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a workload is judged; kept in an annotation, so that whoever sees the workload can judge it."""

    success: str
    failure: str
    """Conditions in GJSON."""
    container: str
    """The primary container."""
    pod_labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the primary pods; empty = all pods of the workload."""
    sidecar: bool = True
    """Does a collector in the pod report? Else the pod's log is followed."""
    retain: bool = False


def workload_name(launch: Launch) -> str:
    """`digits-12-x7k2m`: unlike any other attempt's, also of an experiment that had the same name before."""
    key = launch.key
    digest = hashlib.sha256(f"{key.experiment}/{key.trial}/{key.attempt}".encode()).digest()
    return f"{launch.name}-{''.join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:_SUFFIX])}"


def labels(launch: Launch) -> dict[str, str]:
    """The labels of an attempt's workload and of its pods."""
    key = launch.key
    return {
        MANAGED_BY: US,
        EXPERIMENT: launch.experiment,
        EXPERIMENT_ID: str(key.experiment),
        TRIAL: str(key.trial),
        ATTEMPT: str(key.attempt),
    }


def key_of(thing: Object) -> AttemptKey | None:
    """The attempt that a workload or a pod belongs to; None if its labels do not say."""
    known = (thing.get("metadata") or {}).get("labels") or {}
    try:
        experiment = ExperimentId(UUID(known[EXPERIMENT_ID]))
        return AttemptKey(experiment, TrialNumber(int(known[TRIAL])), int(known[ATTEMPT]))
    except (KeyError, ValueError):
        return None


def rules_written(rules: Rules) -> str:
    """The text of the annotation RULES."""
    return orjson.dumps(asdict(rules)).decode()


def rules_of(workload: Object) -> Rules | None:
    """The rules in a workload's annotation; None if it has none that can be read."""
    known = (workload.get("metadata") or {}).get("annotations") or {}
    try:
        return Rules(**orjson.loads(known[RULES]))
    except (KeyError, TypeError, ValueError):
        return None
