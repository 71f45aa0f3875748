"""Kinds of workloads and their paths in the API, looked up when an experiment first names one."""

from dataclasses import dataclass, field

from controller.cluster.kubernetes.api import Api
from controller.cluster.kubernetes.api_errors import NotFoundError
from events.errors import RefusalError
from events.spec.template import TrialTemplate


@dataclass(frozen=True, slots=True)
class Kind:
    """A namespaced resource: `root` such as /apis/batch/v1, `plural` such as jobs."""

    api_version: str
    kind: str
    root: str
    plural: str

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """The path of all objects, of those in a namespace, or of one."""
        inside = f"/namespaces/{namespace}" if namespace else ""
        return f"{self.root}{inside}/{self.plural}" + (f"/{name}" if name else "")


class NoKindError(RefusalError, LookupError):
    """The cluster has no such kind; the message says what to do."""


@dataclass(slots=True)
class Kinds:
    """Asks the cluster for a kind once; what was found is kept."""

    api: Api
    known: dict[tuple[str, str], Kind] = field(default_factory=dict)

    async def find(self, api_version: str, kind: str) -> Kind:
        """Raises NoKindError, ApiError."""
        if (api_version, kind) not in self.known:
            self.known[api_version, kind] = await self._look_up(api_version, kind)
        return self.known[api_version, kind]

    async def _look_up(self, api_version: str, kind: str) -> Kind:
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        try:
            listed = (await self.api.get(root)).get("resources") or ()
        except NotFoundError:
            listed = ()
        for one in listed:
            if (
                one.get("kind") == kind
                and one.get("namespaced")
                and "/" not in one.get("name", "/")
            ):
                return Kind(api_version, kind, root, one["name"])
        raise NoKindError(
            f"the cluster has no kind {kind} in {api_version}; install its operator, and "
            "trials start"
        )


def workload_kind(template: TrialTemplate) -> tuple[str, str]:
    """apiVersion and kind of a template's workloads; the template has been read."""
    tree = template.manifest or {}
    return str(tree.get("apiVersion")), str(tree.get("kind"))
