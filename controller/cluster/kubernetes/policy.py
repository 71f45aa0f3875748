"""Fields that a template may not have unless the settings allow them: its author is not an
administrator."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from events.spec.problem import Path

USER_MAPS = frozenset({"labels", "annotations", "matchLabels", "nodeSelector"})
"""Maps whose keys are chosen by users."""
HOST = ("hostNetwork", "hostPID", "hostIPC")


@dataclass(frozen=True, slots=True)
class Policy:
    """As the settings `allow_privileged`, `allow_host_path`, `allow_host_namespaces` and
    `service_accounts` say."""

    privileged: bool = False
    host_path: bool = False
    host_namespaces: bool = False
    service_accounts: tuple[str, ...] = ("default", "argo")


DENY = Policy()
ForbiddenField = tuple[Path, str]


def forbidden_fields(tree: Any, policy: Policy, place: Path = ()) -> Iterator[ForbiddenField]:
    """Every field of a workload, of whatever kind, that the policy forbids: its path, and what to
    do."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            here = (*place, str(key))
            if key not in USER_MAPS:
                if message := _refusal(str(key), value, policy):
                    yield here, message
                yield from forbidden_fields(value, policy, here)
    elif isinstance(tree, list | tuple):
        for index, value in enumerate(tree):
            yield from forbidden_fields(value, policy, (*place, index))


def _refusal(key: str, value: Any, policy: Policy) -> str | None:
    if key in ("serviceAccountName", "serviceAccount"):
        return _service_account_refusal(value, policy)
    if _shares_host(key, value) and not policy.host_namespaces:
        return (
            f"{value!r} is not allowed; remove it, or set allow_host_namespaces under [kubernetes]"
        )
    if key == "hostPath" and not policy.host_path:
        return "is not allowed; use another volume, or set allow_host_path under [kubernetes]"
    if _adds_privileges(key, value) and not policy.privileged:
        return f"{value!r} is not allowed; remove it, or set allow_privileged under [kubernetes]"
    return None


def _service_account_refusal(value: Any, policy: Policy) -> str | None:
    if not value or value in policy.service_accounts:
        return None
    allowed = ", ".join(policy.service_accounts) or "none"
    return (
        f"{value!r} is not allowed; allowed are {allowed}: name it in service_accounts under "
        "[kubernetes]"
    )


def _shares_host(key: str, value: Any) -> bool:
    return (key in HOST and value not in (None, False)) or (
        key == "hostPort" and value not in (None, 0)
    )


def _adds_privileges(key: str, value: Any) -> bool:
    """Does the field give a container more privileges than it should have?"""
    match key:
        case "privileged":
            return value not in (None, False)
        case "capabilities":
            return bool(value.get("add")) if isinstance(value, Mapping) else value is not None
        case "procMount":
            return value not in (None, "Default")
        case "nodeName" | "sysctls" | "ephemeralContainers":
            return bool(value)
        case _:
            return False
