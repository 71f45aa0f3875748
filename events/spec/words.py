"""Words that a file writes as numbers, which reach the program in another form."""

from collections.abc import Iterator

from events.spec.experiment import ExperimentSpec
from events.spec.placeholders import written
from events.spec.problem import Path, text_of
from events.spec.space import ParameterType
from events.spec.yaml import Document


def changed_words(document: Document, spec: ExperimentSpec) -> Iterator[str]:
    """A warning for each number of a command or of a list of categories that is not written as
    programs get it: `1.10` arrives as 1.1."""
    for path, text in document.numbers.items():
        if _is_word(path, spec) and (given := written(_value(document, path))) != text:
            yield (
                f"line {document.lines[path]}, {text_of(path)}: {text} reaches the program as "
                f"{given}; put it in quotes to keep it as it is written"
            )


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
