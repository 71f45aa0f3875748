"""A file that grows is noticed at once, whenever it was made, and again when another has taken its
name."""

import asyncio
from pathlib import Path

from collectors.sources.watch import LOOK_SECONDS, QUIET_SECONDS, FileWatch, watching

SOON = 5.0


async def noticed(changed: asyncio.Event) -> None:
    async with asyncio.timeout(SOON):
        await changed.wait()
    changed.clear()


def write(path: Path) -> None:
    with path.open("a") as file:
        file.write("x")


async def test_what_is_written_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    changed = asyncio.Event()
    with watching(path, changed.set) as watch:
        assert watch.patience() == LOOK_SECONDS  # there is no file yet
        path.touch()
        assert watch.patience() == 0.0  # what was written before must be looked for
        assert watch.patience() == QUIET_SECONDS
        for _ in range(3):
            write(path)
            await noticed(changed)
        assert watch.patience() == QUIET_SECONDS


async def test_a_file_that_takes_the_name_of_another_is_watched(tmp_path: Path) -> None:
    path, other = tmp_path / "log", tmp_path / "other"
    changed = asyncio.Event()
    path.touch()
    other.touch()
    with watching(path, changed.set) as watch:
        assert watch.patience() == 0.0
        other.rename(path)
        assert watch.patience() == 0.0
        changed.clear()
        write(path)
        await noticed(changed)


def test_without_the_system_it_is_looked_at_often(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    assert FileWatch(tmp_path / "log", None).patience() == LOOK_SECONDS
