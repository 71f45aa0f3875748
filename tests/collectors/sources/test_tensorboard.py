"""What TensorBoard's own reader finds in a file of a real writer, ours finds, to the last bit."""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tensorboardX import SummaryWriter

from collectors.sources.event_file import EventFile
from tests.empty import Environment

pytestmark = pytest.mark.long
VALUES = [0.5, 0.1, -1e-30, 3e38, 0.0, math.nan, math.inf, -math.inf]
READS = """
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

def number(one):
    return None if (found := make_ndarray(one.tensor_proto)).shape else float(found)

found = EventAccumulator(
    sys.argv[1], size_guidance=dict.fromkeys(("scalars", "tensors"), 0), purge_orphaned_data=False
)
found.Reload()
tags = found.Tags()
rows = [
    (tag, one.step, one.wall_time, repr(float(one.value)))
    for tag in tags["scalars"] for one in found.Scalars(tag)
] + [
    (tag, one.step, one.wall_time, repr(number(one)))
    for tag in tags["tensors"] for one in found.Tensors(tag)
    if one.tensor_proto.dtype != 7 and number(one) is not None
]
print(json.dumps(rows))
"""
WRITES = """
import json, sys
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

writer = EventFileWriter(sys.argv[1])
for step, value in enumerate(json.loads(sys.argv[2])):
    plain = Summary(value=[Summary.Value(tag="v1/loss", simple_value=value)])
    for summary in (plain, scalar_pb("v2/loss", value), text_pb("note", "loss=1")):
        writer.add_event(Event(wall_time=1.7e9 + step / 7, step=step, summary=summary))
writer.add_event(Event(wall_time=1.7e9, step=0, summary=histogram_pb("weights", [1.0, 2.0])))
writer.add_event(Event(wall_time=1.7e9, step=2**40, summary=plain))
writer.close()
"""
TORCH = """
import json, sys
from torch.utils.tensorboard import SummaryWriter

with SummaryWriter(sys.argv[1]) as writer:
    for step, value in enumerate(json.loads(sys.argv[2])):
        writer.add_scalar("loss", value, step)
        writer.add_scalar("new/loss", value, step, new_style=True)
        writer.add_scalars("both", {"train": value, "val": 1.0}, step)
    writer.add_hparams({"lr": 0.1}, {"hparam/accuracy": 0.5})
"""
Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def tensorboard(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """With TensorBoard, which needs a part of setuptools that newer ones do not have."""
    made = Environment.made(tmp_path_factory.mktemp("tensorboard") / "env", sys.executable)
    made.install("tensorboard", "setuptools<80")
    return made


def ours(file: Path) -> list[Row]:
    reader, rows = EventFile(), list[Row]()
    while found := reader.read(file.parent, file):
        rows += [(one.tag, one.step, one.wall_time, repr(one.value)) for one in found]
    assert (reader.broken, reader.too_long, reader.part.size) == (0, 0, file.stat().st_size)
    return sorted(rows)


def theirs(tensorboard: Environment, file: Path) -> list[Row]:
    rows = json.loads(
        tensorboard.run("python", "-W", "ignore", "-c", READS, str(file)).split("\n")[-2]
    )
    return sorted(map(tuple, rows))


def assert_same(tensorboard: Environment, folder: Path, tags: Sequence[str]) -> None:
    files = sorted(one for one in folder.rglob("*tfevents*") if one.is_file())
    found = [row for file in files for row in ours(file)]
    assert {tag for tag, _, _, _ in found} == set(tags)
    assert found == [row for file in files for row in theirs(tensorboard, file)]


def test_files_of_tensorboards_own_writer(tensorboard: Environment, tmp_path: Path) -> None:
    tensorboard.run("python", "-W", "ignore", "-c", WRITES, str(tmp_path), json.dumps(VALUES))
    assert_same(tensorboard, tmp_path, ["v1/loss", "v2/loss"])


def test_files_of_tensorboardx(tensorboard: Environment, tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        for step, value in enumerate(VALUES):
            writer.add_scalar("loss", value, step)
            writer.add_scalars("both", {"train": value, "val": 1.0}, step)
            writer.add_text("note", "loss=1", step)
        writer.add_histogram("weights", [1.0, 2.0])
        writer.add_hparams({"lr": 0.1}, {"accuracy": 0.5})
    assert_same(tensorboard, tmp_path, ["loss", "both", "accuracy"])


def test_files_of_pytorch(tensorboard: Environment, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    tensorboard.borrow()
    tensorboard.run("python", "-W", "ignore", "-c", TORCH, str(tmp_path), json.dumps(VALUES))
    wanted = ["loss", "new/loss", "both", "hparam/accuracy"]
    assert_same(tensorboard, tmp_path, wanted)
