"""A workload as we read it: which attempt it is, where it is, and the rules by which it is
judged."""

from dataclasses import dataclass
from functools import lru_cache

from controller.cluster.kubernetes.kinds import Kind
from controller.cluster.kubernetes.labels import RULES, Object, Rules, key_of, parse_rules
from events.ids import AttemptKey


@dataclass(frozen=True, slots=True)
class WorkloadRef:
    """Where an attempt's workload is, or would be."""

    kind: Kind
    namespace: str
    name: str

    @property
    def path(self) -> str:
        return self.kind.path(self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class Workload:
    """An object of the cluster that is an attempt's workload; `rules`: None if it has none that can
    be read."""

    key: AttemptKey
    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    rules: Rules | None
    object: Object

    @classmethod
    def of(cls, obj: Object) -> "Workload | None":
        """None if its labels do not say which attempt it is."""
        key = key_of(obj)
        if key is None:
            return None
        metadata = obj["metadata"]
        text = (metadata.get("annotations") or {}).get(RULES)
        return cls(
            key,
            str(obj.get("apiVersion")),
            str(obj.get("kind")),
            metadata["namespace"],
            metadata["name"],
            metadata["uid"],
            _parse_rules(text) if isinstance(text, str) else None,
            obj,
        )


_parse_rules = lru_cache(maxsize=1024)(parse_rules)
"""All workloads of an experiment have the same text."""
