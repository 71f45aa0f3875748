"""The glossary has every word that names a module, and every public name that stands for two things
in one layer."""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from benchmarks.house import Module, modules, public_names

ROOT = Path(__file__).parents[1]
PACKAGES = ("algorithms", "collectors", "controller", "events", "trialstream", "trialstream_report")
NAMES = {"cmaes", "kubernetes", "nas", "postgres"}
PAGE = (ROOT / "docs" / "glossary.md").read_text()


def test_each_word_of_a_module_name_is_explained_or_is_plain() -> None:
    assert words() - explained() - plain() == set()


def test_no_word_is_both_explained_and_plain() -> None:
    assert explained() & plain() == set()


def test_no_plain_word_is_left_over() -> None:
    assert plain() - words() == set()


def test_a_public_name_that_occurs_twice_in_a_layer_has_an_entry() -> None:
    twice = {(layer, name) for layer, name in homonyms()}
    listed = set(
        re.findall(r"^\| `([\w.]+)` \| `(\w+)` \|", section("Names that occur twice"), re.MULTILINE)
    )
    assert twice - listed == set()
    assert listed - twice == set()


@cache
def words() -> frozenset[str]:
    """The words of all names of modules and packages, as singular nouns."""
    parts = {part for module in tree() for part in module.name.split(".")}
    return frozenset(singular(word) for part in parts for word in part.split("_") if word)


@cache
def tree() -> list[Module]:
    return modules(ROOT, PACKAGES)


def homonyms() -> Iterator[tuple[str, str]]:
    """(layer, name) of each public name that several modules of the layer define."""
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for module in tree():
        parts = module.name.split(".")
        layer = ".".join(parts[: 2 if parts[0] == "controller" else 1])
        for name in public_names(module.tree):
            found[layer, name].add(module.name)
    return (place for place, where in found.items() if len(where) > 1)


def explained() -> frozenset[str]:
    """The words of the tables."""
    terms = re.findall(r"^\| \*\*([\w ]+)\*\*", PAGE, re.MULTILINE)
    return frozenset(singular(word) for term in terms for word in term.split())


def plain() -> frozenset[str]:
    return frozenset(
        map(singular, re.findall(r"\w+", section("Words that mean what they mean everywhere")))
    )


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def singular(word: str) -> str:
    """`experiments` is the word `experiment`; words such as `process`, and names, stay."""
    if word in NAMES or word.endswith(("ss", "us", "is", "os")):
        return word
    for end, single in (("sses", "ss"), ("ches", "ch"), ("ies", "y"), ("s", "")):
        if word.endswith(end):
            return word.removesuffix(end) + single
    return word
