"""Each asyncio task has a name, so that whoever looks at a process that hangs sees what it waits
for."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("algorithms", "collectors", "controller", "events", "trialstream")


def unnamed(source: str) -> Iterator[int]:
    """The lines that create a task without a name."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "create_task"
        ):
            given = {keyword.arg for keyword in node.keywords}
            if "name" not in given:
                yield node.lineno


def test_every_task_is_created_with_a_name() -> None:
    files = [file for package in PACKAGES for file in sorted((ROOT / package).glob("**/*.py"))]
    assert len(files) > 100
    assert [
        f"{file.relative_to(ROOT)}:{line}" for file in files for line in unnamed(file.read_text())
    ] == []
    assert list(unnamed("tasks.create_task(work())")) == [1]
