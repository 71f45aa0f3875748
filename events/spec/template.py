"""How a trial is run: a manifest, a ConfigMap, or a command, with placeholders for the
parameters."""

from typing import Any

from pydantic import Field

from events.model import LONGEST_SECONDS, SpecPart
from events.spec.problem import Path
from events.spec.space import Scalar
from events.spec.text_template import parse_template


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
    template: str | None = None
    """Ours: the text, as it was when the experiment was admitted; all its trials run this one."""

    def same_source(self, other: "ConfigMapSource") -> bool:
        """Whether both name the same ConfigMap and key."""
        return self.model_copy(update={"template": other.template}) == other


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

    @property
    def manifest(self) -> dict[str, Any] | None:
        """The Kubernetes object with its placeholders, not to be changed.

        None if there is a command, or a ConfigMap that has not been read. Raises DocumentError."""
        if self.config_map is None:
            return self.trial_spec
        text = self.config_map.template
        return None if text is None else parse_template(text)

    @property
    def manifest_place(self) -> Path:
        """Where the manifest stands in the spec."""
        source = ("trialSpec",) if self.config_map is None else ("configMap", "template")
        return ("spec", "trialTemplate", *source)
