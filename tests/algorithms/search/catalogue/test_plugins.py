"""Plugins are found by their entry points, share the shell, and can do no harm by being broken."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest
from typer.testing import CliRunner

from algorithms.conformance import Subject, examine
from algorithms.search import create_search, plugin_faults, search_catalogue, search_problems
from algorithms.search.catalogue.algorithm import Algorithm
from algorithms.search.catalogue.plugins import load_plugin
from algorithms.search.features import Feature
from algorithms.search.registry import find_algorithm
from algorithms.space.encoding import Cube
from controller.cli import app
from controller.cli.exits import ExitCode
from events.spec.problem import Problem
from tests.algorithms.spaces import MIXED, experiment
from trialstream.plugins import Space

EXAMPLE = Path(__file__).parents[4] / "examples" / "plugin"
NAME = ("spec", "algorithm", "algorithmName")
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a package with entry points where Python finds it: `install("pack",
    name="module:Class")`."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(package: str, **points: str) -> None:
        folder = tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {target}" for name, target in points.items()]
        (folder / "entry_points.txt").write_text(
            "[trialstream.algorithms]\n" + "\n".join(lines) + "\n"
        )

    (tmp_path / "toys.py").write_text(TOYS)
    yield put
    sys.modules.pop("toys", None)
    sys.modules.pop("veteran", None)
    load_plugin.cache_clear()


TOYS = dedent("""
    import random

    class Good:
        '''Random points, as a plugin.'''
        def __init__(self, space, seed, settings):
            self.space, self.random = space, random.Random(seed)
        def ask(self):
            return self.space.decode([self.random.random() for _ in range(self.space.width)])
        def tell(self, assignment, loss):
            assert isinstance(loss, float)

    class Deaf(Good):
        tell = None

    class Global(Good):
        def ask(self):
            return self.space.decode([random.random() for _ in range(self.space.width)])

    class Outside(Good):
        def ask(self):
            return {one.name: one.space.max for one in self.space.parameters}

    class Linear(Good):
        '''Takes every range for a uniform one.'''
        def ask(self):
            point = super().ask()
            for one in self.space.parameters:
                if one.space.min is not None and one.space.step is None and one.type == "double":
                    point[one.name] = round(self.random.uniform(one.space.min, one.space.max), 9)
            return point

    class Touchy(Good):
        def tell(self, assignment, loss):
            1 / (loss - 1.0)

    class Narrow(Good):
        def ask(self):
            if self.space.width > 100:
                raise ValueError("too wide")
            return super().ask()

    class Odd(Good):
        lacks = ("numbers",)

    class Plain(Good):
        lacks = ("ENDLESS", "CONDITIONS")

    from pydantic import BaseModel
    class Unset(Good):
        class Settings(BaseModel):
            size: int

    word = "no class"
""")


def test_a_plugin_is_an_algorithm_like_any_other(install: Install) -> None:
    install("good-pack", good="toys:Good")
    assert list(search_problems(experiment(MIXED, "good"))) == []
    assert "Random points, as a plugin" in [
        entry.summary for entry in search_catalogue() if entry.name == "good"
    ]
    found = create_search(experiment(MIXED, "good"), 1).ask(20)
    assert len({str(one) for one in found}) == 20
    assert {
        one.promise: one.fault for one in examine(Subject("good", trials=13)) if one.fault
    } == {}


@pytest.mark.parametrize(
    ("target", "promise", "words"),
    [
        ("Global", "deterministic", "it changes a global random state"),
        ("Linear", "distribution", "double logUniform: a fifth of the distribution is off by"),
        ("Outside", "in space", "which is not in the search space"),
        ("Touchy", "adversity", "ZeroDivisionError"),
        ("Narrow", "edges", "ValueError: too wide"),
    ],
)
def test_the_suite_sees_a_broken_promise(
    install: Install, target: str, promise: str, words: str
) -> None:
    install("toy-pack", toy=f"toys:{target}")
    broken = {one.promise: one.fault for one in examine(Subject("toy", trials=13)) if one.fault}
    assert words in (broken[promise] or "")


def test_a_plugin_names_what_it_lacks(install: Install) -> None:
    install("toy-pack", toy="toys:Plain")
    found = find_algorithm("toy")
    assert isinstance(found, Algorithm)
    assert found.lacks == {Feature.ENDLESS, Feature.CONDITIONS, Feature.SEVERAL_OBJECTIVES}


def test_who_tests_a_plugin_is_told_of_old_places(install: Install, tmp_path: Path) -> None:
    sys.modules.pop("events.space", None)
    (tmp_path / "older.py").write_text(
        "from events.space import Assignment\nfrom toys import Good\n"
    )
    install("older-pack", older="older:Good")
    result = CliRunner().invoke(app, ["algorithms", "test", "older", "--trials", "13"])
    assert (
        "older.py:1: events.space is now events.spec.space; to annotate a plugin" in result.stderr
    )


def test_the_cube_is_the_space_that_plugins_are_promised() -> None:
    space: Space = Cube.of(experiment(MIXED, "random"))
    middle = space.decode([0.5] * space.width)
    assert space.encode(middle) is not None
    assert len(space.parameters) == space.width


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("toys:Absent", "AttributeError: "),
        ("no_such_module:X", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("toys:word", "TypeError: 'no class' is not a class"),
        ("toys:Deaf", "TypeError: Deaf has no method tell"),
        ("toys:Odd", "TypeError: lacks has to name features: ENDLESS, "),
        ("toys:Unset", "ValidationError: "),
    ],
)
def test_a_broken_plugin_is_told_plainly(install: Install, target: str, reason: str) -> None:
    install("broken-pack", broken=target)
    words = f"of broken-pack cannot be loaded: {reason}"
    ((name, fault),) = plugin_faults()
    assert name == "broken"
    assert fault.startswith(words)
    (problem,) = search_problems(experiment(MIXED, "broken"))
    assert problem.path == NAME
    assert problem.message.startswith(f"the plugin broken {words}")
    result = CliRunner().invoke(app, ["algorithms"])
    assert result.exit_code == ExitCode.OK
    assert f"the plugin broken {words}" in result.stderr
    assert "nevergrad" in result.stdout
    assert CliRunner().invoke(app, ["algorithms", "test", "broken"]).exit_code == ExitCode.INVALID


def test_names_that_clash_are_refused(install: Install) -> None:
    install("one-pack", tpe="toys:Good", twice="toys:Good")
    install("other-pack", twice="toys:Good")
    words = "is offered by one-pack, other-pack: uninstall all but one"
    assert list(plugin_faults()) == [
        ("tpe", "of one-pack has the name of a built-in algorithm: rename its entry point"),
        ("twice", words),
    ]
    assert list(search_problems(experiment(MIXED, "tpe"))) == []
    assert list(search_problems(experiment(MIXED, "twice"))) == [
        Problem(NAME, f"the plugin twice {words}")
    ]


def test_the_command_says_what_is_broken(install: Install) -> None:
    install("toy-pack", toy="toys:Global")
    result = CliRunner().invoke(app, ["algorithms", "test", "toy", "--trials", "13"])
    assert result.exit_code == ExitCode.FAILED
    assert "it changes a global random state" in result.stdout
    assert "toy breaks" in result.stderr


def test_the_command_asks_for_a_name_that_it_knows() -> None:
    assert "which one?" in CliRunner().invoke(app, ["algorithms", "test"]).stderr
    result = CliRunner().invoke(app, ["algorithms", "test", "rnadom"])
    assert result.exit_code == ExitCode.INVALID
    assert "'rnadom' is not a known algorithm; there are: auto, gp, nevergrad, " in result.stderr


def test_the_example_is_installed_and_keeps_every_promise(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(tmp_path / "site"),
    ]
    subprocess.run([*command, str(copied(tmp_path))], check=True)
    test = [sys.executable, "-m", "controller.cli", "algorithms", "test", "hillclimb"]
    environment = {"PYTHONPATH": str(tmp_path / "site"), "PATH": ""}
    done = subprocess.run(test, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    assert done.stdout.count("kept") == 11


def copied(tmp_path: Path) -> Path:
    """The example in a folder of its own: building leaves files behind."""
    folder = tmp_path / "plugin"
    folder.mkdir()
    for file in EXAMPLE.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


RENAMED = {"algorithms.encoding": "algorithms.space.encoding", "events.space": "events.spec.space"}
"""Modules that plugins were told to import, and what they are called now."""


@pytest.mark.parametrize("old", RENAMED)
def test_a_module_that_was_renamed_has_its_old_name_too_with_a_warning(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=f"^{old} is now {RENAMED[old]}; "):
        module = import_module(old)
    assert all(
        getattr(module, name) is getattr(import_module(RENAMED[old]), name)
        for name in module.__all__
    )


def test_a_plugin_with_the_earlier_names_works(
    tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = "from trialstream.plugins import Assignment, Scalar, Space\n"
    earlier = (
        "from algorithms.encoding import Cube as Space\nfrom events.space import Assignment, "
        "Scalar\n"
    )
    text = (EXAMPLE / "hillclimb.py").read_text()
    assert now in text
    for old in RENAMED:
        monkeypatch.delitem(sys.modules, old, raising=False)
    (tmp_path / "veteran.py").write_text(text.replace(now, earlier))
    install("old-pack", veteran="veteran:HillClimb")
    with pytest.warns(DeprecationWarning, match=" is now ") as warned:
        found = create_search(experiment(MIXED, "veteran"), 1).ask(5)
    assert len(found) == 5
    assert {Path(one.filename).name for one in warned} == {"veteran.py"}


def test_the_example_is_about_40_lines() -> None:
    assert len((EXAMPLE / "hillclimb.py").read_text().splitlines()) <= 45
