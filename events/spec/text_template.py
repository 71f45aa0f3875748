"""Reads a template that is a text, in which placeholders may stand without quotes."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import orjson
import yaml

from events.spec.problem import text_of
from events.spec.tree import tree_problems
from events.spec.yaml import DocumentError, read

PLACEHOLDER = re.compile(r"\$\{trialParameters\.([^{}]+?)\}")


class Unquoted(str):
    """A text without quotes in which there are placeholders: once they are replaced it may be a
    number."""

    __slots__ = ()

    def resolved(self) -> int | float | bool | str:
        """The number or truth value that the text is; else the text."""
        try:
            value = orjson.loads(str(self))
        except orjson.JSONDecodeError:
            return str(self)
        return value if isinstance(value, int | float) else str(self)


@lru_cache(maxsize=128)
def parse_template(text: str) -> dict[str, Any]:
    """The manifest, its placeholders as they were written; it must not be changed. Raises
    DocumentError.

    While it is parsed, words stand for the placeholders: what is substituted later never becomes
    part of the document's syntax."""
    word = "PLACEHOLDER"
    while word in text:
        word += "X"
    found = [one[0] for one in PLACEHOLDER.finditer(text)]
    numbers = iter(range(len(found)))
    words = PLACEHOLDER.sub(lambda _: f"{word}{next(numbers)}Z", text)
    tree = read(words.encode("utf-8", "surrogatepass")).tree
    for problem in tree_problems(tree):
        raise DocumentError(f"{text_of(problem.path)}: {problem.message}")
    named = re.compile(rf"{word}(\d+)Z")

    def restored(value: str) -> str:
        return named.sub(lambda one: found[int(one[1])], value)

    return cast("dict[str, Any]", _restore(tree, restored, _plain_texts(words, word)))


def _plain_texts(text: str, word: str) -> frozenset[str]:
    """The values that hold `word` and have no quotes."""
    return frozenset(
        event.value
        for event in yaml.parse(text, Loader=yaml.CSafeLoader)
        if isinstance(event, yaml.ScalarEvent) and not event.style and word in event.value
    )


def _name(key: Any) -> str:
    """A key as a text, as it is in JSON."""
    return key if isinstance(key, str) else orjson.dumps(key).decode()


def _restore(tree: Any, restored: Callable[[str], str], plain: frozenset[str]) -> Any:
    match tree:
        case str():
            return Unquoted(restored(tree)) if tree in plain else restored(tree)
        case dict():
            return {
                restored(_name(key)): _restore(value, restored, plain)
                for key, value in tree.items()
            }
        case list():
            return [_restore(one, restored, plain) for one in tree]
        case _:
            return tree
