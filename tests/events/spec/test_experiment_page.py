"""The page about the experiment file names every field, default setting, reason and cause there
is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from algorithms.scheduling import scheduler_catalogue
from algorithms.search import search_catalogue
from events.facts import Cause, Reason
from events.model import SpecPart
from events.spec.document import load
from events.spec.experiment import ExperimentSpec

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "experiment.md").read_text()
ALGORITHMS_PAGE = (DOCS / "algorithms.md").read_text()


def aliases(schema: dict[str, Any]) -> Iterator[str]:
    for definition in (schema, *schema["$defs"].values()):
        yield from definition.get("properties", {})


FIELDS = sorted(set(aliases(ExperimentSpec.model_json_schema(by_alias=True))))
SETTINGS = [
    (entry.name, setting.name)
    for entry in (*search_catalogue(), *scheduler_catalogue())
    for setting in entry.settings
]


def named(word: str, pages: str = PAGE) -> bool:
    """Does the page have `word`, `word` at the end of a path, or at its start, as code?"""
    return any(f"{before}{word}{after}" in pages for before in "`." for after in "`.")


def test_the_fields_are_those_of_all_models() -> None:
    models = {model.__name__ for model in SpecPart.__subclasses__()}
    assert len(models) > 20
    assert models - {"ExperimentSpec"} == set(ExperimentSpec.model_json_schema()["$defs"]) & models
    assert {"maxTrialCount", "in", "wallClockSeconds", "metricsFormat"} <= set(FIELDS)


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_is_explained(field: str) -> None:
    assert named(field)


@pytest.mark.parametrize(("algorithm", "setting"), SETTINGS)
def test_every_algorithm_and_setting_is_explained(algorithm: str, setting: str) -> None:
    assert named(algorithm, PAGE + ALGORITHMS_PAGE)
    assert named(setting, PAGE + ALGORITHMS_PAGE)


@pytest.mark.parametrize("word", [*Reason, *Cause])
def test_every_reason_and_cause_is_explained(word: str) -> None:
    assert named(word)


def test_the_first_example_is_valid() -> None:
    text = PAGE.split("```yaml\n")[1].split("```")[0]
    assert len(text.splitlines()) <= 20
    assert load(text.encode()).warnings == ()
