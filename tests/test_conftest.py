"""What tests/conftest.py promises to each test, seen in a run of pytest of its own."""

import fcntl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Semaphore

from tests.eventually import eventually
from tests.kubernetes import DOOR, cluster_is_ours

ROOT = Path(__file__).parents[1]

COROUTINES = """
import asyncio
import pytest

@pytest.fixture
def given() -> int:
    return 7

@pytest.mark.parametrize("number", [7, 8])
async def test_fixtures_and_parameters_arrive(given: int, number: int) -> None:
    await asyncio.sleep(0)
    assert given == number

async def test_a_task_that_is_left_is_cancelled() -> None:
    keep.append(asyncio.get_running_loop().create_task(asyncio.sleep(3600)))

def test_it_was() -> None:
    assert keep[0].cancelled()

keep = []
"""


def pytest_of(folder: Path, text: str, *arguments: str) -> str:
    """What pytest says, with our hooks, of a test module of this text."""
    (folder / "test_it.py").write_text(text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.conftest",
        f"--rootdir={folder}",
        f"--basetemp={folder}/made",  # not where other runs lie, which it would delete
        *arguments,
    ]
    done = subprocess.run(
        [*command, str(folder / "test_it.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_coroutines_are_tests_like_any_other(tmp_path: Path) -> None:
    said = pytest_of(tmp_path, COROUTINES)
    assert "assert 7 == 8" in said
    assert "1 failed, 3 passed" in said


HALVES = """
import pytest

@pytest.mark.parametrize("where", ["said", "raised"])
def test_half_a_character(where: str) -> None:
    if where == "raised":
        raise ValueError("half \\ud800")
    print("half \\ud800")
    assert False
"""


def test_half_a_character_ends_no_process(tmp_path: Path) -> None:
    said = pytest_of(tmp_path, HALVES, "-n", "1")
    assert "2 failed" in said
    assert said.count("half \\ud800") >= 2


def is_locked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_whoever_breaks_the_cluster_has_it_alone_and_is_not_kept_waiting(tmp_path: Path) -> None:
    moments: list[tuple[str, str]] = []
    inside, go_on = Semaphore(0), Event()

    def use(name: str, *, alone: bool = False) -> None:
        with cluster_is_ours(alone=alone, folder=tmp_path):
            moments.append((name, "comes"))
            inside.release()
            assert go_on.wait(20)
            moments.append((name, "goes"))

    with ThreadPoolExecutor() as pool:
        for name in ("a", "b"):
            pool.submit(use, name)
            assert inside.acquire(timeout=20)
        pool.submit(use, "alone", alone=True)
        eventually(lambda: is_locked(tmp_path / DOOR))
        pool.submit(use, "late")
        assert not inside.acquire(timeout=0.2)
        go_on.set()
    assert {one for one, _ in moments[:2]} == {"a", "b"}
    assert moments[4:] == [(name, what) for name in ("alone", "late") for what in ("comes", "goes")]
