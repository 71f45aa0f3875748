"""How trials run on Kubernetes: the table [kubernetes] of the settings file."""

import os
from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trialstream.settings import SettingsError, settings_file, settings_path

Version = Literal["trialstream.io/v1alpha1", "kubeflow.org/v1beta1"]


class KubernetesSettings(BaseModel):
    """The defaults refuse what a trial seldom needs, see `allow_…`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    namespaces: list[str] = Field(default_factory=list)
    """Namespaces whose experiments are served; none = all."""
    experiment_versions: list[Version] = Field(default_factory=lambda: list(get_args(Version)))
    """The apiVersions whose experiments are served; leave Katib's out where Katib itself runs."""
    writes_per_second: float = Field(default=50.0, gt=0)
    """Requests that change something, at most, on average."""
    collector_image: str = "trialstream/collector:dev"
    collector_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    collector_pull_secrets: list[str] = Field(default_factory=list)
    collector_secret: str | None = None
    """A Secret in each of these namespaces with TRIALSTREAM_KAFKA_… for the collectors, such as a password."""
    collector_requests: dict[str, str] = Field(default_factory=lambda: {"cpu": "10m", "memory": "48Mi"})
    collector_limits: dict[str, str] = Field(default_factory=lambda: {"memory": "128Mi"})
    allow_privileged: bool = False
    """Privileged containers, added capabilities, and what else makes a pod stronger than its node."""
    allow_host_path: bool = False
    allow_host_namespaces: bool = False
    service_accounts: list[str] = Field(default_factory=lambda: ["default", "argo"])
    """Service accounts under which trials may run."""

    @classmethod
    def from_file(cls, environ: Mapping[str, str] = os.environ) -> "KubernetesSettings":
        """What the settings file says, else the defaults. Raises SettingsError."""
        try:
            return cls.model_validate(settings_file(environ).get("kubernetes", {}))
        except ValidationError as error:
            raise SettingsError("\n".join(_sentence(one, environ) for one in error.errors())) from None


def _sentence(error: Any, environ: Mapping[str, str]) -> str:
    place = ".".join(map(str, ("kubernetes", *error["loc"])))
    allowed = ", ".join(KubernetesSettings.model_fields)
    return f"{settings_path(environ)}: {place}: {error['msg']}; [kubernetes] may have {allowed}"
