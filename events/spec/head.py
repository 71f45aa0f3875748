"""What surrounds a spec in its document, and what no part of the document may hold."""

from collections.abc import Iterator
from typing import Any

from events.model import LONGEST_NAME
from events.spec.problem import Problem
from events.spec.tree import tree_problems
from events.spec.validation import name_problem

KATIB = "kubeflow.org/v1beta1"
OURS = "trialstream.io/v1alpha1"


def head_problems(tree: dict[str, Any]) -> list[Problem]:
    """What is wrong around the spec."""
    found = []
    if tree.get("apiVersion") not in (KATIB, OURS):
        found.append(
            Problem(("apiVersion",), f"{tree.get('apiVersion')!r} must be {OURS} or {KATIB}")
        )
    if tree.get("kind") != "Experiment":
        found.append(Problem(("kind",), f"{tree.get('kind')!r} must be Experiment"))
    for key in tree:
        if key not in ("apiVersion", "kind", "metadata", "spec", "status"):
            found.append(
                Problem(
                    (str(key),), "unknown field; known fields: apiVersion, kind, metadata, spec"
                )
            )
    metadata = tree.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        found.append(Problem(("metadata", "name"), "is required: the experiment's name, a string"))
    else:
        problem = name_problem(metadata["name"])
        found += [problem] if problem else []
        if not isinstance(metadata.get("namespace") or "", str):
            found.append(Problem(("metadata", "namespace"), "must be a string"))
        elif len(metadata.get("namespace") or "") > LONGEST_NAME:
            found.append(Problem(("metadata", "namespace"), f"has over {LONGEST_NAME} characters"))
        if not isinstance(metadata.get("labels") or {}, dict):
            found.append(Problem(("metadata", "labels"), "must be a mapping"))
    if not isinstance(tree.get("spec"), dict):
        found.append(Problem(("spec",), "is required and must be a mapping"))
    return found


def unstorable(tree: dict[str, Any]) -> Iterator[Problem]:
    """What Postgres cannot hold, before anything walks through the tree by recursion."""
    metadata = tree["metadata"]
    for path in (("metadata", "namespace"), ("metadata", "labels")):
        yield from tree_problems(metadata.get(path[1]), path)
    yield from tree_problems(tree["spec"], ("spec",))
