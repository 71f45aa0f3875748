"""What the cluster itself knows about the workloads of a new experiment: their template in a
ConfigMap, and whether the API server takes them."""

import logging
from collections.abc import Iterator
from uuid import UUID

from controller.cluster import AttemptKey, Launch
from controller.cluster.kubernetes.api import Api
from controller.cluster.kubernetes.api_errors import ApiError
from controller.cluster.kubernetes.cluster import WorkloadSettings
from controller.cluster.kubernetes.configmaps import with_template
from controller.cluster.kubernetes.kinds import Kinds, NoKindError, workload_kind
from controller.cluster.kubernetes.manifests import ManifestError, manifest
from events.ids import ExperimentId, Shard, TrialNumber
from events.spec.experiment import ExperimentSpec
from events.spec.placeholders import TemplateError
from events.spec.problem import Problem
from events.spec.space import Assignment, Parameter, ParameterType, Scalar

INVALID = (400, 422)
"""The statuses by which an API server says that an object is none of its kind. Others pass: quotas,
permissions, webhooks that do not answer."""
MOST_CHARACTERS = 1_000
_log = logging.getLogger(__name__)


async def read_template(api: Api, namespace: str, spec: ExperimentSpec) -> ExperimentSpec:
    """The spec with the text of its template; as it is, if the API server does not tell it: then
    it is read when the first trial starts. Raises ConfigMapError."""
    try:
        return await with_template(api, namespace, spec)
    except ApiError as error:
        _log.warning("the template of an experiment in %s cannot be read now: %s", namespace, error)
        return spec


async def refusals(
    api: Api, settings: WorkloadSettings, namespace: str, spec: ExperimentSpec
) -> list[Problem]:
    """Why the API server would refuse the workload of a trial; it is asked, and nothing is created.

    Its answer counts only where every later one would be the same."""
    template = spec.trial_template
    if template.manifest is None:
        return []
    launch = Launch(_NOBODY, "dry-run", namespace, spec, example_assignment(spec), shard=Shard(0))
    try:
        kind = await Kinds(api).find(*workload_kind(template))
        body = manifest(launch, settings.sidecar, settings.policy)
        path = kind.path(namespace)
        await api.create(path, body, dryRun="All", fieldValidation="Strict")
    except NoKindError:
        pass  # its operator may still be installed
    except (ManifestError, TemplateError) as error:
        return [Problem(template.manifest_place, str(error))]
    except ApiError as error:
        return list(_problems(error, spec))
    return []


def _problems(error: ApiError, spec: ExperimentSpec) -> Iterator[Problem]:
    if error.status in INVALID and "dry run" not in error.message:
        told = error.message[:MOST_CHARACTERS]
        yield Problem(spec.trial_template.manifest_place, f"the API server refuses it: {told}")


def example_assignment(spec: ExperimentSpec) -> Assignment:
    """A value for each parameter; conditions do not count."""
    return {parameter.name: _example(parameter) for parameter in spec.parameters}


def _example(parameter: Parameter) -> Scalar:
    match parameter.type:
        case ParameterType.DOUBLE:
            return parameter.low
        case ParameterType.INT:
            return int(parameter.low)
        case _:
            return parameter.space.list[0]


_NOBODY = AttemptKey(ExperimentId(UUID(int=0)), TrialNumber(1), 1)
