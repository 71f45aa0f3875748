"""Read an experiment file, with the earlier results that it names, and make a submission of it."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from controller.app.components import problems
from controller.cli.errors import CommandError
from controller.cli.exits import ExitCode
from controller.cli.results_file import ResultsFileError, file_problem, with_file
from events.signals import ExperimentSubmitted
from events.spec.document import ExperimentDocument, InvalidDocumentError, load
from events.spec.experiment import ExperimentSpec
from events.spec.problem import Problem
from events.spec.yaml import read


def load_experiment(
    file: Path, check: Callable[[ExperimentSpec], Iterable[Problem]] = problems
) -> ExperimentDocument:
    """The document, in which `check` finds no problem (by default: it can run on this machine),
    with the results of the file that its warm start names.

    Raises CommandError if the file cannot be read, and DocumentError with the line of every
    problem.
    """
    try:
        text = file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}", ExitCode.INVALID) from None
    document = load(text)
    try:
        spec, remarks = with_file(document.spec, file.absolute().parent)
    except ResultsFileError as error:
        raise InvalidDocumentError([file_problem(error)], read(text).lines) from None
    found = list(check(spec))
    if found:
        raise InvalidDocumentError(found, read(text).lines)
    return replace(document, spec=spec, warnings=(*document.warnings, *remarks))


def submission(document: ExperimentDocument, origin: Path, seed: int | None) -> ExperimentSubmitted:
    """The request to run the document in the folder `origin`, with the seed of its spec, else
    `seed`, else any."""
    chosen = document.spec.seed if document.spec.seed is not None else seed
    return ExperimentSubmitted(
        name=document.name,
        namespace=document.namespace,
        spec=document.spec,
        seed=secrets.randbits(32) if chosen is None else chosen,
        origin=str(origin),
    )
