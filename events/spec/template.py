"""How a trial is run: a manifest, a ConfigMap, or a command, with placeholders for the
parameters."""

from typing import Annotated, Any

from pydantic import Field

from events.model import LONGEST_SECONDS, Many, MappingKey, SpecPart, Text
from events.spec.problem import Path
from events.spec.space import Scalar
from events.spec.text_template import parse_template
from events.spec.tree import JsonObject


class TrialParameter(SpecPart):
    """A placeholder `${trialParameters.<name>}` and what it refers to: a parameter or
    `${trialSpec.<Key>}`."""

    name: Text
    reference: Text
    description: Text | None = None


class ConfigMapSource(SpecPart):
    config_map_name: Text
    config_map_namespace: Text
    template_path: Text
    template: Text | None = None
    """Ours: the text, as it was when the experiment was admitted; all its trials run this one."""

    def same_source(self, other: "ConfigMapSource") -> bool:
        """Whether both name the same ConfigMap and key."""
        return self.model_copy(update={"template": other.template}) == other


class TrialTemplate(SpecPart):
    """How a trial is run: `trialSpec` (any Kubernetes object), a ConfigMap, or a short
    `command`."""

    retain: bool = False
    command: Annotated[tuple[Scalar, ...], Many] | None = None
    """Ours: program and arguments, for scripts without a Job manifest."""
    timeout_seconds: float | None = Field(default=None, gt=0, le=LONGEST_SECONDS)
    """Ours: an attempt that runs longer is ended and has failed."""
    trial_spec: JsonObject | None = None
    config_map: ConfigMapSource | None = None
    trial_parameters: Annotated[tuple[TrialParameter, ...], Many] = ()
    primary_pod_labels: Annotated[dict[MappingKey, Text], Many] = Field(default_factory=dict)
    primary_container_name: Text | None = None
    success_condition: Text | None = None
    failure_condition: Text | None = None

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
