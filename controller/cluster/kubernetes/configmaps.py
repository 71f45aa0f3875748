"""Templates in ConfigMaps: each is read once, and only from the experiment's own namespace."""

from collections.abc import Mapping
from typing import Any

from controller.cluster import Launch
from controller.cluster.kubernetes.api import Api
from controller.cluster.kubernetes.kinds import workload_kind
from controller.cluster.kubernetes.labels import Object
from controller.cluster.kubernetes.manifests import ManifestError
from events.ids import ExperimentId
from events.spec.template import TrialTemplate
from events.spec.yaml import DocumentError, read


class ConfigMaps:
    """The templates that were read, by experiment."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._trees: dict[ExperimentId, Mapping[str, Any]] = {}

    async def template(self, launch: Launch) -> Mapping[str, Any] | None:
        """The template; None if it is not in a ConfigMap. Raises ApiError, ManifestError."""
        wanted, experiment = launch.spec.trial_template.config_map, launch.key.experiment
        if wanted is None:
            return None
        if experiment not in self._trees:
            if wanted.config_map_namespace != launch.namespace:
                raise ManifestError(
                    "spec.trialTemplate.configMap.configMapNamespace: "
                    f"{wanted.config_map_namespace!r} must be the "
                    f"experiment's own namespace, {launch.namespace!r}; copy the ConfigMap there"
                )
            found = await self._api.get(
                f"/api/v1/namespaces/{launch.namespace}/configmaps/{wanted.config_map_name}"
            )
            self._trees[experiment] = _tree(found, wanted.template_path)
        return self._trees[experiment]

    def kind_of(self, experiment: ExperimentId, template: TrialTemplate) -> tuple[str, str]:
        """apiVersion and kind of the experiment's workloads; a Job as long as its ConfigMap was not
        read."""
        tree = self._trees.get(experiment)
        return (
            (str(tree.get("apiVersion")), str(tree.get("kind")))
            if tree
            else workload_kind(template)
        )

    def forget(self, experiment: ExperimentId) -> None:
        self._trees.pop(experiment, None)


def _tree(found: Object, path: str) -> Mapping[str, Any]:
    """The template in a ConfigMap. Raises ManifestError."""
    where = f"spec.trialTemplate.configMap: {found['metadata']['name']}/{path}"
    try:
        return read(str((found.get("data") or {})[path]).encode()).tree
    except KeyError:
        raise ManifestError(f"{where}: the ConfigMap has no such key") from None
    except DocumentError as error:
        raise ManifestError(f"{where}: {error}") from None
