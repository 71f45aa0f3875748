"""Inputs that nobody thought of: JSON of any schema, good documents with something changed, and
bytes. One number gives one input, so a failure is repeated by its number alone."""

import json
import os
import random
from collections.abc import Iterator, Sequence
from copy import deepcopy
from functools import cache
from typing import Any, get_args
from uuid import UUID

from events.envelope import TYPE_PREFIX, VERSION, Body
from events.metrics import Measurement
from events.schemas import bodies, body_schema
from events.signals import Signal
from tests.events.bodies import SAMPLES

SEED = int(os.environ.get("HYPOTHESIS_SEED", "0"))
NUMBERS = (
    0, 1, 2, 3, -1, 127, 2**31 - 1, 2**31, -(2**31), 2**53, 2**63 - 1, 2**63, 2**64, -(2**63) - 1,
    2**80, 0.0, -0.0, 0.5, 1e-320, 1e308, 1e400, -1e400, float("nan"), 1.0, 1e22,
)  # fmt: skip
TEXTS = (
    "", "a", "loss", "lr", "default", "\0", "\ud800", "é", "\u2028", "a b", "\n", "\u202e",
    "${trialParameters.lr}", "${", "${trialSpec.Name}", "1", "1e400", "NaN", "true", "null",
    "2026-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00",
    "x" * 300, "y" * 20_000, "../../x", "*", "a: b", "'", "%s", "[", "]", "(", "-", "loss < 1",
    'status.conditions.#(type=="Complete")#',
)  # fmt: skip
READ: tuple[type[Body], ...] = get_args(Signal | Measurement)
"""What is read from the topics of signals and of measurements."""
READ_SAMPLES = [one for one in SAMPLES if isinstance(one, READ)]
WRONG: tuple[Any, ...] = (None, True, [], {}, [[]], {"": None}, *NUMBERS, *TEXTS)
DEEPEST = 6
_DEEP = (3, 99, 102, 300)
"""Levels of what is too deep: more than is read, and less than what tests are made with can
write."""


def examples(seed: int, count: int, first: int = 0) -> "Iterator[tuple[int, Generator]]":
    """So many numbered generators."""
    for number in range(first, first + count):
        yield number, Generator(random.Random(f"{seed}/{number}"))


@cache
def schema_of(body: type[Body]) -> dict[str, Any]:
    return body_schema(body)


class Generator:
    """Draws inputs from one source of chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.words: Sequence[str] = ()
        """Texts that mean something where the input goes; they stand in many places."""

    def wrong(self) -> Any:
        """A value that hardly anything expects."""
        if self.words and self.chance.random() < 0.4:
            return self.chance.choice(self.words)
        if self.chance.random() < 0.02:
            tree: Any = deepcopy(self.chance.choice(WRONG))
            for _ in range(self.chance.choice(_DEEP)):
                tree = [tree] if self.chance.random() < 0.5 else {"a": tree}
            return tree
        return deepcopy(self.chance.choice(WRONG))

    def text(self, schema: dict[str, Any]) -> str:
        if schema.get("format") == "date-time":
            year = self.chance.choice((1900, 1970, 2026, 2026, 2999))
            zone = self.chance.choice(("Z", "+05:30", "-12:00", "+14:00"))
            return f"{year}-{self.chance.randint(1, 12):02}-01T00:00:00.000001{zone}"
        if schema.get("format") == "uuid":
            return str(UUID(int=self.chance.getrandbits(128)))
        most = int(schema.get("maxLength", 50))
        if self.chance.random() < 0.001:
            return "z" * most
        return self.chance.choice(TEXTS)[:most].replace("\0", "")

    def number(self, schema: dict[str, Any], kind: str) -> Any:
        least = schema.get("minimum", schema.get("exclusiveMinimum", -(2**63)))
        most = schema.get("maximum", schema.get("exclusiveMaximum", 2**64 - 1))
        fitting = [one for one in (*NUMBERS, least, most) if least <= one <= most]
        if kind == "integer":
            fitting = [one for one in fitting if isinstance(one, int)]
        few = [one for one in fitting if one in (1, 2, 3)]
        return self.chance.choice(few if few and self.chance.random() < 0.6 else fitting or [0])

    def of(self, schema: dict[str, Any], root: dict[str, Any], depth: int = 0) -> Any:
        """JSON of the schema, now and then with a wrong value in it."""
        if self.chance.random() < 0.01:
            return self.wrong()
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return self.of(root["$defs"][name], root, depth)
        for word in ("enum", "examples"):
            if word in schema:
                return self.chance.choice(schema[word])
        if "const" in schema:
            return schema["const"]
        for word in ("anyOf", "oneOf", "allOf"):
            if word in schema:
                return self.of(self.chance.choice(schema[word]), root, depth)
        kind = schema.get("type", "any")
        kind = self.chance.choice(kind) if isinstance(kind, list) else kind
        match kind:
            case "string":
                return self.text(schema)
            case "integer" | "number":
                return self.number(schema, kind)
            case "boolean":
                return self.chance.random() < 0.5
            case "null":
                return None
            case "array":
                return self._array(schema, root, depth + 1)
            case "object":
                return self._object(schema, root, depth + 1)
        return self.tree(depth)

    def _array(self, schema: dict[str, Any], root: dict[str, Any], depth: int) -> list[Any]:
        if "prefixItems" in schema:
            return [self.of(one, root, depth) for one in schema["prefixItems"]]
        count = 0 if depth > DEEPEST else self.chance.choice((0, 1, 1, 2, 3))
        return [self.of(schema.get("items", {}), root, depth) for _ in range(count)]

    def _object(self, schema: dict[str, Any], root: dict[str, Any], depth: int) -> dict[str, Any]:
        made, needed = {}, schema.get("required", ())
        for name, one in schema.get("properties", {}).items():
            share = 0.0 if depth > DEEPEST else 0.3
            if name in needed or self.chance.random() < share:
                made[name] = self.of(one, root, depth)
        more = schema.get("additionalProperties")
        if isinstance(more, dict) or (more is True and not made):
            for _ in range(self.chance.choice((0, 1, 2))):
                made[self.text({})] = self.of(more if isinstance(more, dict) else {}, root, depth)
        return made

    def tree(self, depth: int = 0) -> Any:
        """Any JSON."""
        if depth > DEEPEST or self.chance.random() < 0.5:
            return deepcopy(self.chance.choice(WRONG))
        if self.chance.random() < 0.5:
            return [self.tree(depth + 1) for _ in range(self.chance.randint(0, 3))]
        return {self.text({}): self.tree(depth + 1) for _ in range(self.chance.randint(0, 3))}

    def changed(self, tree: Any) -> Any:
        """A document with one to three places changed, left out or doubled."""
        tree = json.loads(json.dumps(tree))
        for _ in range(self.chance.choice((1, 1, 1, 2, 3))):
            places = list(_places(tree))
            if not places:
                return self.wrong()
            inside, key = self.chance.choice(places)
            match self.chance.randrange(6):
                case 0 if isinstance(inside, dict):
                    del inside[key]
                case 1 if isinstance(inside, list):
                    inside.append(deepcopy(inside[key]))
                case 2 if isinstance(inside, dict):
                    inside[self.chance.choice(TEXTS)] = inside.pop(key)
                case 3:
                    other, name = self.chance.choice(places)
                    inside[key] = deepcopy(other[name] if _has(other, name) else None)
                case 4:
                    inside[key] = self.wrong()
                case _:
                    inside[key] = self.similar(inside[key])
        return tree

    def similar(self, value: Any) -> Any:
        """Another value of the same type."""
        if self.words and isinstance(value, str) and self.chance.random() < 0.8:
            return self.chance.choice(self.words)
        same = [one for one in WRONG if type(one) is type(value)]
        return deepcopy(self.chance.choice(same or [value]))

    def damaged(self, text: bytes) -> bytes:
        """Text with some bytes changed, left out, doubled or cut off."""
        found = bytearray(text)
        for _ in range(self.chance.choice((1, 1, 2, 5))):
            place = self.chance.randrange(len(found) + 1)
            match self.chance.randrange(4):
                case 0:
                    found[place : place + 1] = bytes([self.chance.randrange(256)])
                case 1:
                    del found[place : place + self.chance.choice((1, 2, 20))]
                case 2:
                    found[place:place] = found[place : place + 30]
                case _:
                    found[place:place] = self.chance.choice(TEXTS).encode(errors="replace")
        return bytes(found)

    def body(self) -> tuple[str, Any]:
        """The ce_type and the JSON of a message: of the schema of any, or a good one changed."""
        read = self.chance.random() < 0.8
        if self.chance.random() < 0.5:
            kind = self.chance.choice(READ if read else bodies())
            schema = schema_of(kind)
            return ce_type(kind.model_fields["type"].default), self.of(schema, schema)
        sample = self.chance.choice(READ_SAMPLES if read else SAMPLES)
        tree = self.changed(sample_tree(sample))
        if isinstance(tree, dict) and self.chance.random() < 0.9:
            tree["type"] = sample.type
        return ce_type(sample.type), tree


def ce_type(kind: str) -> str:
    return f"{TYPE_PREFIX}{kind}{VERSION}"


def sample_tree(sample: Body) -> Any:
    return json.loads(sample.model_dump_json(by_alias=True))


def _has(inside: Any, key: Any) -> bool:
    return key in inside if isinstance(inside, dict) else key < len(inside)


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every (mapping, name) and (list, index)."""
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        items = one.items() if isinstance(one, dict) else enumerate(one)
        for key, inner in list(items):
            yield one, key
            if isinstance(inner, dict | list):
                waiting.append(inner)
