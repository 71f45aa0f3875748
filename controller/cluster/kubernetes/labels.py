"""How a workload is marked: its name, the labels by which it is found, and the rules by which it is
judged."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

import orjson

from controller.cluster import Launch
from events.ids import AttemptKey, ExperimentId, TrialNumber

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "trialstream"
EXPERIMENT = "trialstream.io/experiment"
EXPERIMENT_ID = "trialstream.io/experiment-id"
TRIAL = "trialstream.io/trial"
ATTEMPT = "trialstream.io/attempt"
RULES = "trialstream.io/rules"
MANAGED = f"{MANAGED_BY}={MANAGER}"
"""The label selector of all workloads and of their pods."""

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX = 5

Object = Mapping[str, Any]
"""A Kubernetes object as parsed JSON."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a workload is judged; kept in an annotation, so that any controller that sees it can
    judge it."""

    success: str
    failure: str
    """Conditions in GJSON."""
    container: str
    """The primary container."""
    pod_labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the primary pods; empty = all pods of the workload."""
    sidecar: bool = True
    """Does a collector in the pod report its measurements, or are none expected? Else the
    controller follows the pod's log."""
    retain: bool = False


def workload_name(launch: Launch) -> str:
    """`digits-12-x7k2m`: unlike any other attempt's, also of an experiment that had the same name
    before."""
    return name_of_attempt(launch.name, launch.key)


def name_of_attempt(trial: str, key: AttemptKey) -> str:
    """The same, by the name of the trial."""
    digest = hashlib.sha256(f"{key.experiment}/{key.trial}/{key.attempt}".encode()).digest()
    return f"{trial}-{''.join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:_SUFFIX])}"


def labels_of(launch: Launch) -> dict[str, str]:
    """The labels of an attempt's workload and of its pods."""
    key = launch.key
    return {
        MANAGED_BY: MANAGER,
        EXPERIMENT: launch.experiment,
        EXPERIMENT_ID: str(key.experiment),
        TRIAL: str(key.trial),
        ATTEMPT: str(key.attempt),
    }


def key_of(obj: Object) -> AttemptKey | None:
    """The attempt that a workload or a pod belongs to; None if its labels do not say."""
    labels = (obj.get("metadata") or {}).get("labels") or {}
    try:
        experiment = ExperimentId(UUID(labels[EXPERIMENT_ID]))
        return AttemptKey(experiment, TrialNumber(int(labels[TRIAL])), int(labels[ATTEMPT]))
    except (KeyError, ValueError):
        return None


def write_rules(rules: Rules) -> str:
    """The rules as the text of the annotation RULES."""
    return orjson.dumps(asdict(rules)).decode()


def parse_rules(text: str) -> Rules | None:
    """The rules in the annotation RULES; None if they cannot be read."""
    try:
        rules = Rules(**orjson.loads(text))
    except (TypeError, ValueError):
        return None
    return rules if _is_sound(rules) else None


def _is_sound(rules: Rules) -> bool:
    """Has each field its type? Whoever may edit workloads may write there what he likes."""
    labels, flags = rules.pod_labels, (rules.sidecar, rules.retain)
    if not isinstance(labels, dict) or not all(isinstance(one, bool) for one in flags):
        return False
    texts = (rules.success, rules.failure, rules.container, *labels.values())
    return all(isinstance(one, str) for one in texts)
