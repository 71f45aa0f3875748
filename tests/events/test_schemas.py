"""The committed schemas are those of the models, cover every message, and say what is really
written."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from events.envelope import Body
from events.schemas import COMMAND, EXPERIMENT, FOLDER, bodies, differences, write
from tests.events.bodies import SAMPLES
from tests.events.shape import fits
from tests.events.texts import OURS

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def schema(name: str) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return tree


def test_the_committed_schemas_are_those_of_the_models() -> None:
    found = list(differences())
    assert not found, (
        f"{'; '.join(found)}. If the change is wanted (fields may be added, never changed), "
        f"run: {COMMAND}"
    )


def test_there_is_a_schema_of_every_message_and_of_the_experiment() -> None:
    kinds = {str(body.model_fields["type"].default) for body in bodies()}
    assert len(kinds) == len(bodies())
    assert {path.name for path in FOLDER.glob("*.json")} == {
        f"{kind}.v1.json" for kind in kinds
    } | {EXPERIMENT}


@pytest.mark.parametrize("body", SAMPLES, ids=lambda body: body.type)
def test_what_is_written_has_the_shape_of_its_schema(body: Body) -> None:
    wanted = schema(f"{body.type}.v1.json")
    tree = json.loads(body.model_dump_json(by_alias=True))
    assert fits(tree, wanted, wanted)
    assert fits({**tree, "later": 1}, wanted, wanted)
    assert not fits({**tree, "type": "other"}, wanted, wanted)
    for name in wanted.get("required", []):
        assert not fits({key: value for key, value in tree.items() if key != name}, wanted, wanted)


def test_a_document_has_the_shape_of_the_experiment() -> None:
    wanted = schema(EXPERIMENT)
    document = yaml.safe_load(OURS)
    assert fits(document, wanted, wanted)
    for change in (
        {"kind": "Trial"},
        {"apiVersion": "kubeflow.org/v1beta1"},
        {"more": 1},
        {"spec": {"max": 1}},
    ):
        assert not fits({**document, **change}, wanted, wanted)
    assert not fits({**document, "spec": {**document["spec"], "maxTrialCount": 0}}, wanted, wanted)


@pytest.mark.parametrize(
    "name", sorted(path.name for path in EXAMPLES.glob("*.yaml") if "katib" not in path.name)
)
def test_the_examples_have_the_shape_of_the_experiment(name: str) -> None:
    wanted = schema(EXPERIMENT)
    assert fits(yaml.safe_load((EXAMPLES / name).read_text()), wanted, wanted)


def test_differences_are_found_and_writing_heals_them(tmp_path: Path) -> None:
    light = tmp_path / "facts.py"
    write(tmp_path, light)
    assert list(differences(tmp_path, light)) == []
    light.write_text("")
    (tmp_path / "trial.paused.v1.json").unlink()
    (tmp_path / "trial.started.v1.json").write_text("{}")
    (tmp_path / "old.v1.json").write_text("{}")
    assert list(differences(tmp_path, light)) == [
        "facts.py differs from the facts",
        "old.v1.json belongs to no message",
        "trial.paused.v1.json is missing",
        "trial.started.v1.json differs from its model",
    ]
    write(tmp_path, light)
    assert list(differences(tmp_path, light)) == []


def test_the_command_checks() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "events.schemas", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
