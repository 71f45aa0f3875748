"""Of a Job's several pods only the first reports: has them numbered, or says why they cannot be."""

from collections.abc import Iterator
from typing import Any

from controller.cluster.kubernetes.reading import dict_of
from events.spec.problem import Problem

_MODE, _NUMBERED = "completionMode", "Indexed"


def number_pods(tree: dict[str, Any]) -> None:
    """Have the pods of a Job numbered if there may be several; other kinds number their own."""
    spec = _job(tree)
    if _MODE not in spec and _is_several(spec.get("completions")):
        spec[_MODE] = _NUMBERED


def numbering_problems(tree: dict[str, Any]) -> Iterator[Problem]:
    """Why the pods of a Job cannot be told apart; their reports would be mixed."""
    spec = _job(tree)
    why = "so that of several pods only the first reports"
    if _is_several(spec.get("parallelism")) and spec.get("completions") is None:
        yield Problem(
            ("spec", "completions"), f"is required where parallelism is above 1, {why}; give both"
        )
    elif _is_several(spec.get("completions")) and spec.get(_MODE, _NUMBERED) != _NUMBERED:
        yield Problem(("spec", _MODE), f"must be {_NUMBERED}, {why}; leave it out")


def _job(tree: dict[str, Any]) -> dict[str, Any]:
    is_job = (tree.get("apiVersion"), tree.get("kind")) == ("batch/v1", "Job")
    return dict_of(tree, "spec") if is_job else {}


def _is_several(count: object) -> bool:
    return isinstance(count, int) and not isinstance(count, bool) and count > 1
