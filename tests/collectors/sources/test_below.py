"""Of a trial's files only those below its own folder are read, whatever links say."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collectors.sources import Source
from collectors.sources.registry import source_for
from events.diagnosis import Diagnosis
from events.spec.collector import (
    Collector,
    CollectorKind,
    FileSystemPath,
    Filter,
    MetricsCollectorSpec,
)
from events.spec.collector import Source as Place
from tests.collectors.event_files import write

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
TEXT = MetricsCollectorSpec(
    collector=Collector(kind=CollectorKind.FILE),
    source=Place(
        file_system_path=FileSystemPath(path="/out/metrics", kind="File"),
        filter=Filter(metrics_format=(r"(?s)(loss)=([A-Z].*)",)),
    ),
)
NUMBERS = MetricsCollectorSpec(collector=Collector(kind=CollectorKind.FILE))
PUSH = MetricsCollectorSpec(collector=Collector(kind=CollectorKind.PUSH))
CUSTOM = MetricsCollectorSpec(collector=Collector(kind=CollectorKind.CUSTOM))
EVENTS = MetricsCollectorSpec(collector=Collector(kind=CollectorKind.TENSORFLOW_EVENT))
REPORT = b'{"loss": 0.5}\nloss=0.5\nloss=SECRET\n'


def read(spec: MetricsCollectorSpec, path: Path, below: Path | None = None) -> Source:
    source = source_for(spec, ["loss"], path, lambda: NOON, below=below)
    assert source.read() == []
    while source.finish():
        pass
    return source


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """The folder of a trial; beside it lies what is no business of it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(REPORT)
    (tmp_path / "mount").mkdir()
    return tmp_path / "mount"


def absolute(mount: Path) -> Path:
    (mount / "metrics").symlink_to(mount.parent / "outside" / "secret")
    return mount / "metrics"


def relative(mount: Path) -> Path:
    (mount / "metrics").symlink_to("../outside/secret")
    return mount / "metrics"


def in_two_steps(mount: Path) -> Path:
    (mount / "metrics").symlink_to("latest")
    (mount / "latest").symlink_to("../outside/secret")
    return mount / "metrics"


def by_a_folder(mount: Path) -> Path:
    (mount / "run").symlink_to(mount.parent / "outside")
    return mount / "run" / "secret"


def by_a_folder_and_back(mount: Path) -> Path:
    (mount / "run").mkdir()
    (mount / "metrics").symlink_to("run/../../outside/secret")
    return mount / "metrics"


def by_the_path_itself(mount: Path) -> Path:
    return mount / ".." / "outside" / "secret"


@pytest.mark.parametrize("spec", [TEXT, NUMBERS, PUSH, CUSTOM])
@pytest.mark.parametrize(
    "lay",
    [absolute, relative, in_two_steps, by_a_folder, by_a_folder_and_back, by_the_path_itself],
)
def test_a_link_out_of_the_folder_is_not_followed(
    mount: Path, spec: MetricsCollectorSpec, lay: Callable[[Path], Path]
) -> None:
    source = read(spec, lay(mount), mount)
    assert source.texts() == {}
    assert source.diagnosis() == Diagnosis(absent=True, leads_out_of=str(mount))


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="only Linux has it")
def test_the_variables_of_the_reader_are_neither_a_text_nor_shown(mount: Path) -> None:
    (mount / "metrics").symlink_to("/proc/self/environ")
    source = read(TEXT, mount / "metrics")
    assert source.diagnosis() == Diagnosis(absent=True, leads_out_of=str(mount))


def beside(mount: Path) -> None:
    (mount / "run-3.log").write_bytes(b"loss=0.5\n")
    (mount / "metrics").symlink_to("run-3.log")


def beside_by_its_whole_path(mount: Path) -> None:
    (mount / "run-3.log").write_bytes(b"loss=0.5\n")
    (mount / "metrics").symlink_to(mount / "run-3.log")


def below(mount: Path) -> None:
    (mount / "runs" / "3").mkdir(parents=True)
    (mount / "runs" / "3" / "log").write_bytes(b"loss=0.5\n")
    (mount / "runs" / "latest").symlink_to("3")
    (mount / "metrics").symlink_to("runs/latest/../../runs/3/log")


@pytest.mark.parametrize("lay", [beside, beside_by_its_whole_path, below])
@pytest.mark.parametrize("linked", [True, False])
def test_a_link_within_the_folder_is_followed(
    mount: Path, lay: Callable[[Path], None], linked: bool
) -> None:
    """Also where the folder itself is reached by a link, as a data folder may be."""
    lay(mount)
    folder = mount
    if linked:
        folder = mount.parent / "linked"
        folder.symlink_to(mount)
    source = source_for(NUMBERS, ["loss"], folder / "metrics", lambda: NOON)
    assert [point.value for point in source.finish()] == [0.5]


def test_event_files_are_read_below_the_folder_alone(mount: Path) -> None:
    write(mount.parent / "outside", "loss", [0.5])
    (mount / "logs").symlink_to(mount.parent / "outside")
    found = read(EVENTS, mount / "logs", mount).diagnosis()
    assert found == Diagnosis(absent=True, leads_out_of=str(mount))
    (mount / "tb").mkdir()
    (mount / "tb" / "run").symlink_to(mount.parent / "outside")
    (mount / "tb" / "x.tfevents.1").symlink_to(mount.parent / "outside" / "secret")
    assert read(EVENTS, mount / "tb", mount).diagnosis() == Diagnosis(absent=True)


def test_event_files_in_a_folder_that_a_link_within_it_names(mount: Path) -> None:
    (mount / "runs" / "3").mkdir(parents=True)
    write(mount / "runs" / "3", "loss", [0.5])
    (mount / "logs").symlink_to("runs")
    source = source_for(EVENTS, ["loss"], mount / "logs", lambda: NOON, below=mount)
    assert [point.value for point in source.finish()] == [0.5]
