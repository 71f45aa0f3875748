"""Of several equal pods only the first reports: says so, has those of a Job numbered, or says why
they cannot be."""

from collections.abc import Iterator, Sequence
from typing import Any

from controller.cluster.kubernetes.manifest_validation import REPLICAS, TRAINING
from controller.cluster.kubernetes.reading import dict_of
from controller.cluster.kubernetes.templates import PodTemplate
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


def numbering_warnings(tree: dict[str, Any], primary: Sequence[PodTemplate]) -> Iterator[str]:
    """Which pods of a trial do not report, although they have the primary container."""
    why = "their metrics would be mixed: have it report those of all"
    if _is_several(count := _job(tree).get("completions")):
        yield (
            f"of the {count} pods of a trial the first alone reports; {why}. They are numbered for "
            f"it ({_MODE}: {_NUMBERED})"
        )
    if tree.get("apiVersion") != TRAINING:
        return
    for field in REPLICAS:
        for name, replica in dict_of(dict_of(tree, "spec"), field).items():
            count = dict_of({name: replica}, name).get("replicas")
            if _is_several(count) and any(pod.replica == name for pod in primary):
                yield f"of the {count} {name} pods of a trial the first alone reports; {why}"


def _job(tree: dict[str, Any]) -> dict[str, Any]:
    is_job = (tree.get("apiVersion"), tree.get("kind")) == ("batch/v1", "Job")
    return dict_of(tree, "spec") if is_job else {}


def _is_several(count: object) -> bool:
    return isinstance(count, int) and not isinstance(count, bool) and count > 1
