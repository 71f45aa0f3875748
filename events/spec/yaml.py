"""Reads one YAML document safely: limits of size, depth and aliases, and the line of every node."""

import math
import re
from dataclasses import dataclass, replace
from typing import Any

import yaml

from events.errors import RefusalError
from events.spec.problem import Path

MAX_BYTES = 256 * 1024
MAX_NODES = 50_000
MAX_DEPTH = 64
MAX_CHARACTERS = 4 * MAX_BYTES
"""Of all values once aliases are followed."""
LONGEST_INTEGER = 400
"""Characters; `events.spec.tree` bounds what is shorter by its value."""


class DocumentError(RefusalError, ValueError):
    """The text cannot be read as a document; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed tree, the line (from 1) at which each path starts, and each number as written."""

    tree: dict[str, Any]
    lines: dict[Path, int]
    numbers: dict[Path, str]


@dataclass(slots=True)
class _Seen:
    """How much of a document was counted; an alias counts each time it is used."""

    nodes: int = 0
    characters: int = 0


class _Loader(yaml.CSafeLoader):
    """YAML's JSON subset of types: no dates; 1:30, 010, yes and off are words, and 1e-3 is a number
    as in YAML 1.2."""


_TAG = "tag:yaml.org,2002:"
_PLAIN = frozenset(
    _TAG + kind for kind in ("map", "seq", "str", "int", "float", "bool", "null", "merge")
)
_NUMBERS = (_TAG + "int", _TAG + "float")
_WORDS = (*_NUMBERS, _TAG + "bool")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)$")
_INT = re.compile(r"[-+]?(?:0b_*[01][01_]*|0|[1-9][0-9_]*|0x_*[0-9a-fA-F][0-9a-fA-F_]*)$")
_FLOAT = re.compile(
    r"(?:[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, regexp) for tag, regexp in resolvers if tag.removeprefix(_TAG) in ("null", "merge")
    ]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_TAG + "bool", _BOOL, list("tTfF"))
_Loader.add_implicit_resolver(_TAG + "float", _FLOAT, list("-+.0123456789"))
_Loader.add_implicit_resolver(_TAG + "int", _INT, list("-+0123456789"))


def read(text: bytes) -> Document:
    """Parse `text`; raise DocumentError if it is too large, malformed, or not a mapping."""
    if len(text) > MAX_BYTES:
        raise DocumentError(
            f"the document has {len(text):,} bytes; at most {MAX_BYTES:,} are allowed"
        )
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"the document is not UTF-8: byte {error.start} is {text[error.start]:#04x}"
        ) from None
    try:
        _check_depth(decoded)
        root = _only_document(decoded)
        document = Document({}, {}, {})
        _measure(root, (), document, _Seen(), frozenset())
        loader = _Loader("")
        try:
            tree = loader.construct_document(root)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise DocumentError(f"{line}{error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        number = decoded.count("\n", 0, error.position) + 1
        character = chr(error.character)
        raise DocumentError(
            f"line {number}: the character {character!r} is not allowed; remove it"
        ) from None
    except yaml.YAMLError as error:
        raise DocumentError(f"this is not YAML: {error}") from None
    except ValueError as error:
        raise error if isinstance(error, DocumentError) else DocumentError(str(error)) from None
    if not isinstance(tree, dict):
        kind = type(tree).__name__
        raise DocumentError(
            f"the document must be a mapping with apiVersion, kind, metadata and spec, not a {kind}"
        )
    return replace(document, tree=tree)


def _check_depth(text: str) -> None:
    """Refuse a deep document before it is composed: libyaml composes by recursion and would end the
    process."""
    loader = _Loader(text)
    depth = 0
    try:
        while (event := loader.get_event()) is not None:
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(
                event, yaml.CollectionEndEvent
            )
            if depth > MAX_DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else 0
                raise DocumentError(f"line {line}: nested deeper than {MAX_DEPTH} levels")
    except (
        yaml.MarkedYAMLError
    ) as error:  # newer ones of libyaml have a limit, too, and scan ahead of the events
        if "nesting depth" not in (error.problem or ""):
            raise
        line = error.context_mark.line + 1 if error.context_mark else 0
        raise DocumentError(f"line {line}: nested deeper than {MAX_DEPTH} levels") from None
    finally:
        loader.dispose()


def _only_document(text: str) -> yaml.Node:
    loader = _Loader(text)
    try:
        nodes: list[yaml.Node] = []
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                nodes.append(node)
    finally:
        loader.dispose()
    if not nodes:
        raise DocumentError("the document is empty")
    if len(nodes) > 1:
        line = nodes[1].start_mark.line + 1
        raise DocumentError(
            f"line {line}: one experiment per file; this file holds {len(nodes)} documents"
        )
    return nodes[0]


def _measure(
    node: yaml.Node, path: Path, document: Document, seen: _Seen, above: frozenset[int]
) -> None:
    """Count the nodes (an alias counts each time it is used), note their lines and numbers, refuse
    what is too large."""
    line = node.start_mark.line + 1
    document.lines.setdefault(path, line)
    seen.nodes += 1
    seen.characters += len(node.value) if isinstance(node, yaml.ScalarNode) else 0
    for count, most, what in (
        (seen.nodes, MAX_NODES, "values"), (seen.characters, MAX_CHARACTERS, "characters"),
    ):  # fmt: skip
        if count > most:
            raise DocumentError(
                f"line {line}: more than {most:,} {what} once aliases are followed; use fewer"
            )
    if len(path) > MAX_DEPTH:
        raise DocumentError(f"line {line}: nested deeper than {MAX_DEPTH} levels")
    if id(node) in above:
        raise DocumentError(f"line {line}: an alias that contains itself")
    if node.tag not in _PLAIN:
        tag = node.tag.replace(_TAG, "!!")
        raise DocumentError(f"line {line}: the tag {tag} is not allowed; write the value plainly")
    inside = above | {id(node)}
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _TAG + "null":
                raise DocumentError(f"line {key.start_mark.line + 1}: a key must be a plain word")
            if key.value in keys:
                raise DocumentError(
                    f"line {key.start_mark.line + 1}: the key {key.value!r} is given twice"
                )
            keys.add(key.value)
            if (key.value, key.tag) != ("<<", _TAG + "merge"):
                _measure(key, (*path, key.value), document, seen, inside)
            document.lines.setdefault((*path, key.value), key.start_mark.line + 1)
            if key.tag in _WORDS:
                yaml.CSafeLoader("").construct_object(key)  # it is what its tag says
                key.tag = _TAG + "str"  # a name, as it is written: true is no True, 0x10 no 16
            _measure(value, (*path, key.value), document, seen, inside)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _measure(item, (*path, index), document, seen, inside)
    elif isinstance(node, yaml.ScalarNode):
        _check_scalar(node, line)
        if node.tag in _NUMBERS:
            document.numbers[path] = node.value


def _check_scalar(node: yaml.ScalarNode, line: int) -> None:
    """Refuse what has no finite value, or one that neither Postgres nor a program's arguments can
    hold."""
    text, kind = node.value, node.tag.removeprefix(_TAG)
    shaped = {
        "int": _INT.match(text),
        "float": _FLOAT.match(text),
        "bool": _BOOL.match(text),
    }
    if "\0" in text:
        raise DocumentError(f"line {line}: {text!r} holds a NUL character; remove it")
    if kind == "int" and len(text) > LONGEST_INTEGER:
        raise DocumentError(
            f"line {line}: an integer of {len(text):,} characters is too large; write it with a "
            "point, or in quotes to make it a word"
        )
    if not shaped.get(kind, kind != "merge"):
        raise DocumentError(
            f"line {line}: {text!r} is not of type {kind}; put it in quotes to make it a word"
        )
    if kind == "float" and not math.isfinite(yaml.CSafeLoader("").construct_yaml_float(node)):
        raise DocumentError(f"line {line}: {text} is not finite")
