"""Templates in ConfigMaps, which are read only from the experiment's own namespace."""

from controller.cluster.kubernetes.api import Api
from controller.cluster.kubernetes.api_errors import NotFoundError
from controller.cluster.kubernetes.manifests import ManifestError
from events.errors import MissingSourceError
from events.ids import ExperimentId
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Problem, text_of
from events.spec.template import ConfigMapSource, TrialTemplate
from events.spec.yaml import DocumentError


class ConfigMapError(ManifestError):
    """The ConfigMap has no template that may be used here; `problem` says where."""

    def __init__(self, field: str, message: str) -> None:
        self.problem = Problem(("spec", "trialTemplate", "configMap", field), message)
        super().__init__(f"{text_of(self.problem.path)}: {message}")


class MissingConfigMapError(ConfigMapError, MissingSourceError):
    """The ConfigMap is not there; it may still be created."""


class ConfigMaps:
    """Completes specs. Experiments of earlier versions were admitted without the text: it is read
    once, and kept."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._completed: dict[ExperimentId, ExperimentSpec] = {}

    async def complete(
        self, experiment: ExperimentId, namespace: str, spec: ExperimentSpec
    ) -> ExperimentSpec:
        """The spec with its template, as it was at first. Raises ApiError, ConfigMapError."""
        source = spec.trial_template.config_map
        if source is None or source.template is not None:
            return spec
        if experiment not in self._completed:
            completed = await with_template(self._api, namespace, spec)
            _require_readable(completed.trial_template)
            self._completed[experiment] = completed
        return self._completed[experiment]

    def forget(self, experiment: ExperimentId) -> None:
        self._completed.pop(experiment, None)


def _require_readable(template: TrialTemplate) -> None:
    source = template.config_map
    try:
        _ = template.manifest
    except DocumentError as error:
        assert source is not None
        place = f"{source.config_map_name}/{source.template_path}"
        raise ConfigMapError("templatePath", f"{place}: {error}") from None


async def with_template(api: Api, namespace: str, spec: ExperimentSpec) -> ExperimentSpec:
    """The spec with the text of its template as it is now.

    Raises ApiError, ConfigMapError."""
    source = spec.trial_template.config_map
    if source is None:
        return spec
    read = source.model_copy(update={"template": await _text(api, namespace, source)})
    template = spec.trial_template.model_copy(update={"config_map": read})
    return spec.model_copy(update={"trial_template": template})


async def _text(api: Api, namespace: str, source: ConfigMapSource) -> str:
    if source.config_map_namespace != namespace:
        raise ConfigMapError(
            "configMapNamespace",
            f"{source.config_map_namespace!r} must be the experiment's own namespace, "
            f"{namespace!r}; copy the ConfigMap there",
        )
    name, path = source.config_map_name, source.template_path
    try:
        found = await api.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
    except NotFoundError:
        raise MissingConfigMapError(
            "configMapName",
            f"there is no ConfigMap {name!r} in namespace {namespace!r}; create it",
        ) from None
    data = found.get("data") or {}
    if path not in data:
        raise ConfigMapError(
            "templatePath",
            f"{name}/{path}: the ConfigMap has no such key; it has "
            f"{', '.join(sorted(data)) or 'none'}",
        )
    return str(data[path])
