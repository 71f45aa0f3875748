"""How a trial is run: a manifest, a ConfigMap, or a command, with placeholders for the
parameters."""

from typing import Any

from pydantic import Field

from events.model import LONGEST_SECONDS, SpecPart
from events.spec.space import Scalar


class TrialParameter(SpecPart):
    """A placeholder `${trialParameters.<name>}` and what it refers to: a parameter or
    `${trialSpec.<Key>}`."""

    name: str
    reference: str
    description: str | None = None


class ConfigMapSource(SpecPart):
    config_map_name: str
    config_map_namespace: str
    template_path: str


class TrialTemplate(SpecPart):
    """How a trial is run: `trialSpec` (any Kubernetes object), a ConfigMap, or a short
    `command`."""

    retain: bool = False
    command: tuple[Scalar, ...] | None = None
    """Ours: program and arguments, for scripts without a Job manifest."""
    timeout_seconds: float | None = Field(default=None, gt=0, le=LONGEST_SECONDS)
    """Ours: an attempt that runs longer is ended and has failed."""
    trial_spec: dict[str, Any] | None = None
    config_map: ConfigMapSource | None = None
    trial_parameters: tuple[TrialParameter, ...] = ()
    primary_pod_labels: dict[str, str] = Field(default_factory=dict)
    primary_container_name: str | None = None
    success_condition: str | None = None
    failure_condition: str | None = None
