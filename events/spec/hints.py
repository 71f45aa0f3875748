"""What is valid and was hardly meant: words that reach the program in another form, or are read by
a shell, a file of metrics that no program knows of, and texts as what is optimised."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from events.spec.collector import CollectorKind
from events.spec.experiment import ExperimentSpec
from events.spec.placeholders import placeholders, written
from events.spec.problem import Path, text_of
from events.spec.space import ParameterType
from events.spec.yaml import Document

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})
_SCRIPT_FLAG = re.compile(r"-[a-z]*c")


def changed_words(document: Document, spec: ExperimentSpec) -> Iterator[str]:
    """A warning for each number of a command or of a list of categories that is not written as
    programs get it: `1.10` arrives as 1.1."""
    for path, text in document.numbers.items():
        if _is_word(path, spec) and (given := written(_value(document, path))) != text:
            yield (
                f"line {document.lines[path]}, {text_of(path)}: {text} reaches the program as "
                f"{given}; put it in quotes to keep it as it is written"
            )


def shell_words(spec: ExperimentSpec) -> Iterator[str]:
    """A warning for each parameter whose words a shell reads as part of a script, where it would
    run what is in them."""
    template = spec.trial_template
    words = {one.name for one in spec.parameters if one.type is ParameterType.CATEGORICAL}
    names = {one.name for one in template.trial_parameters if one.reference in words}
    tree = {"command": template.command} if template.command else template.trial_spec
    found = [name for script in _scripts(tree) for name in placeholders(script)]
    for name in dict.fromkeys(found):
        if name in (names if template.trial_parameters else words):
            yield (
                f"spec.trialTemplate: a shell reads the words of ${{trialParameters.{name}}} as "
                "part of its script, and runs what is in them; hand them over in a variable of "
                'the environment, and write "$NAME"'
            )


def _scripts(tree: Any) -> Iterator[str]:
    """The scripts that shells are given anywhere in a template."""
    if isinstance(tree, Mapping):
        argv = [*_listed(tree.get("command")), *_listed(tree.get("args"))]
        if argv and PurePosixPath(argv[0]).name in _SHELLS:
            flags = (n for n, word in enumerate(argv) if n and _SCRIPT_FLAG.fullmatch(word))
            yield from argv[next(flags, len(argv)) + 1 :][:1]
        tree = list(tree.values())
    if isinstance(tree, list):
        for inner in tree:
            yield from _scripts(inner)


def _listed(words: Any) -> Sequence[str]:
    return [str(word) for word in words] if isinstance(words, list | tuple) else ()


def unknown_file(spec: ExperimentSpec) -> Iterator[str]:
    """A warning if the template nowhere names the file in which metrics are looked for."""
    template, collector = spec.trial_template, spec.metrics_collector_spec
    if not collector.collector.kind.has_path or template.config_map is not None:
        return
    path = PurePosixPath(collector.path)
    known = {str(path), "TRIALSTREAM_METRICS_FILE"}
    if str(path.parent) != "/":
        known.add(str(path.parent))
    tree = list(template.command) if template.command else template.trial_spec
    if not any(name in text for text in _texts(tree) for name in known):
        yield (
            f"spec.metricsCollectorSpec: metrics are looked for in {path}, which the template does "
            "not name: tell the program to write them there, by an argument or a variable of the "
            "environment"
        )


def text_objective(spec: ExperimentSpec) -> Iterator[str]:
    """A warning if the objective is a text, by which trials cannot be compared."""
    metric = spec.first_objective.metric
    if spec.metrics_collector_spec.reads_text(metric):
        yield (
            f"spec.objective: by its filters {metric!r} is a text: trials are not compared by it, "
            "the latest counts as the best, and a search learns nothing"
        )


def katib_report(spec: ExperimentSpec) -> Iterator[str]:
    """A warning that Katib's own call is not answered, for an experiment of Katib's that pushes."""
    if spec.metrics_collector_spec.collector.kind is CollectorKind.PUSH:
        yield (
            "spec.metricsCollectorSpec: report_metrics of Katib's SDK finds no DB manager here "
            "and fails: call report of trialstream_report instead"
        )


def _texts(tree: Any) -> Iterator[str]:
    if isinstance(tree, Mapping):
        tree = list(tree.values())
    if isinstance(tree, list):
        for inner in tree:
            yield from _texts(inner)
    else:
        yield str(tree)


def _is_word(path: Path, spec: ExperimentSpec) -> bool:
    match path:
        case ("spec", "trialTemplate", "command", int()):
            return True
        case ("spec", "parameters", int(index), "feasibleSpace", "list", int()):
            return spec.parameters[index].type is ParameterType.CATEGORICAL
    return False


def _value(document: Document, path: Path) -> int | float:
    found = document.tree
    for part in path:
        found = found[part]  # type: ignore[index]
    return found  # type: ignore[return-value]
