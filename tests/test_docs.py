"""What the documents name exists: linked files, functions, make targets, commands."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from controller.cli import COMMANDS

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md")])
MAPS = [ROOT / name for name in ("AGENTS.md", "docs/architecture.md", "docs/tour.md")]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
ANCHOR = re.compile(r"\]\(#([^)]+)\)")
PLACE = re.compile(r"`((?:\w+/)+(?:\w+\.(?:py|sql|md|yaml))?)(?::([\w.]+))?`")
MEMBER = re.compile(r"`([A-Z]\w+\.\w+)`")
FAULTS = 38
"""Rows of the fault matrix."""
FOLDERS = ("events", "algorithms", "collectors", "controller")
TARGET = re.compile(r"(?:`|^)make ([a-z-]+)", re.MULTILINE)
COMMAND = re.compile(r"(?:`|^)trialstream ([a-z-]+)", re.MULTILINE)


def of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=of)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    files = [link for link in LINK.findall(text) if "://" not in link]
    assert [link for link in files if not (page.parent / link).exists()] == []
    headings = {
        re.sub(r"[^\w -]", "", line).lower().replace(" ", "-")
        for line in re.findall(r"^#+ (.+)$", text, re.M)
    }
    assert set(ANCHOR.findall(text)) - headings == set()


@pytest.mark.parametrize("page", MAPS, ids=of)
def test_places_in_the_code_exist(page: Path) -> None:
    places = PLACE.findall(page.read_text())
    assert places
    assert [f"{file}:{name}" for file, name in places if not there(file, name)] == []


@pytest.mark.parametrize("page", MAPS, ids=of)
def test_members_named_without_their_file_exist(page: Path) -> None:
    known = {
        name
        for folder in FOLDERS
        for file in ROOT.glob(f"{folder}/**/*.py")
        for name in names(file)
    }
    assert set(MEMBER.findall(page.read_text())) - known == set()


@pytest.mark.parametrize("page", PAGES, ids=of)
def test_make_targets_and_commands_exist(page: Path) -> None:
    text = page.read_text()
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(TARGET.findall(text)) - set(targets) == set()
    assert set(COMMAND.findall(text)) - set(COMMANDS) == set()


def test_the_readme_has_every_command_in_its_order() -> None:
    rows = re.findall(r"^\| `trialstream ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert rows == list(COMMANDS)


def test_each_fault_has_a_test_that_exists_or_a_reason() -> None:
    page = (ROOT / "docs" / "faults.md").read_text()
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \| ([^|]*) \|$", page, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, FAULTS + 1))
    without = [number for number, tests, _ in rows if "::" not in tests]
    remarks = {number: remark for number, _, remark in rows}
    assert [number for number in without if "missing" not in remarks[number]] == []
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", page)
    assert [one for one in named if not there(f"tests/{one[0]}", one[1])] == []


def there(file: str, name: str) -> bool:
    path = ROOT / file
    return path.exists() and (not name or name in names(path))


@cache
def names(file: Path) -> frozenset[str]:
    """Functions, classes and constants of a module, and `Class.member`."""
    return frozenset(_names(ast.parse(file.read_text()).body, ""))


def _names(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        match node:
            case ast.ClassDef(name=name, body=inner):
                yield prefix + name
                yield from _names(inner, f"{prefix}{name}.")
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.AnnAssign(target=ast.Name(id=name))
            ):
                yield prefix + name
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield prefix + name
            case _:
                pass
