"""JSON Schemas of every message and of the experiment file, generated from the models and committed
beside it.

So are the facts of the light package, `trialstream/facts.py`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from events.envelope import VERSION, Body
from events.model import LONGEST_NAME, LONGEST_TEXT, MOST_ITEMS
from events.schemas import light_facts
from events.spec.document import OURS
from events.spec.experiment import ExperimentSpec
from events.spec.validation import MAX_NAME, NAME

FOLDER = Path(__file__).parent
DIALECT = "https://json-schema.org/draft/2020-12/schema"
EXPERIMENT = "experiment.v1alpha1.json"
COMMAND = "python -m events.schemas"


def bodies() -> tuple[type[BaseModel], ...]:
    """Every fact, signal and measurement."""
    return get_args(Body)


def body_schema(body: type[BaseModel]) -> dict[str, Any]:
    """The shape of a message as it is written; readers let further fields pass."""
    return {"$schema": DIALECT, **body.model_json_schema(mode="serialization", by_alias=True)}


def experiment_schema() -> dict[str, Any]:
    """The shape of an experiment file of our own version, for editors; `events.spec.document`
    checks more."""
    spec = ExperimentSpec.model_json_schema(mode="validation", by_alias=True)
    definitions = spec.pop("$defs")
    name = {"type": "string", "pattern": f"^{NAME.pattern}$", "maxLength": MAX_NAME}
    labels = {
        "type": "object",
        "additionalProperties": {
            "type": ["string", "number", "boolean"],
            "maxLength": LONGEST_TEXT,
        },
        "maxProperties": MOST_ITEMS,
    }
    namespace = {"type": "string", "maxLength": LONGEST_NAME}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    properties = {
        "apiVersion": {"const": OURS},
        "kind": {"const": "Experiment"},
        "metadata": {"type": "object", "properties": metadata, "required": ["name"]},
        "spec": spec,
        "status": {},
    }
    return {
        "$schema": DIALECT,
        "title": "Experiment",
        "type": "object",
        "properties": properties,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def generated() -> dict[str, str]:
    """File name → its text, for every schema."""
    schemas = {
        f"{body.model_fields['type'].default}{VERSION}.json": body_schema(body) for body in bodies()
    }
    schemas[EXPERIMENT] = experiment_schema()
    return {
        name: json.dumps(schema, indent=2, sort_keys=True) + "\n"
        for name, schema in schemas.items()
    }


def differences(folder: Path = FOLDER, light: Path = light_facts.FILE) -> Iterator[str]:
    """One sentence for each file of `folder` that is not as generated, and for the light package's
    facts."""
    wanted = generated()
    if light.read_text() != light_facts.module():
        yield f"{light.name} differs from the facts"
    there = {path.name: path.read_text() for path in folder.glob("*.json")}
    for name in sorted(wanted.keys() | there.keys()):
        if name not in there:
            yield f"{name} is missing"
        elif name not in wanted:
            yield f"{name} belongs to no message"
        elif there[name] != wanted[name]:
            yield f"{name} differs from its model"


def write(folder: Path = FOLDER, light: Path = light_facts.FILE) -> None:
    """Make `folder` and the light package's facts hold exactly what is generated."""
    wanted = generated()
    light.write_text(light_facts.module())
    for path in folder.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text)
