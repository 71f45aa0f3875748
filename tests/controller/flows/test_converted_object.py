"""A word that kubectl has read as a boolean is refused where text is meant, before any trial."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.controller.cluster.kubernetes.object_server import held_object
from tests.controller.flows.neighbours import refuse_one

WORDS, QUOTED = UUID(int=1), UUID(int=2)


def switch(*values: object) -> list[dict[str, Any]]:
    """As `kubectl` sends `list: [on, off]`."""
    space = {"list": list(values)}
    return [{"name": "x", "parameterType": "categorical", "feasibleSpace": space}]


async def test_an_object_whose_words_became_booleans_is_refused_in_its_status(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = held_object("words", WORDS, parameters=switch(True, False))
    quoted = held_object("quoted", QUOTED, parameters=switch("on", "off"))
    objects = await refuse_one(fresh_database_url, tmp_path, monkeypatch, words, quoted)
    said = objects.condition("words", "Failed")
    assert said is not None
    assert said[:2] == ("True", "InvalidSpec")
    assert said[2].startswith("spec.parameters[0].feasibleSpace.list[0]: true is no text")
    assert "in quotes" in said[2]
