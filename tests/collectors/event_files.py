"""Event files as programs write them: with tensorboardX, whose records TensorBoard reads, and with
tensors, as TensorFlow 2 writes scalars."""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from tensorboardX import SummaryWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.proto.tensor_pb2 import TensorProto

from collectors.parsers.event_records import masked_checksum

FLOAT, DOUBLE, INT32, STRING, INT64, HALF = 1, 2, 3, 7, 9, 19


def write(folder: Path, tag: str, values: Sequence[float], suffix: str = "") -> None:
    """The values as the steps 0, 1, … of a tag, in a file of their own."""
    with SummaryWriter(str(folder), filename_suffix=suffix) as writer:
        for step, value in enumerate(values):
            writer.add_scalar(tag, value, step, walltime=1_700_000_000 + step)


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return b"".join(
        (
            length,
            struct.pack("<I", masked_checksum(length)),
            data,
            struct.pack("<I", masked_checksum(data)),
        )
    )


def event(tag: str, tensor: TensorProto) -> bytes:
    """A record with one value that is a tensor."""
    value = Summary.Value(tag=tag, tensor=tensor)
    return record(
        Event(wall_time=1.7e9, step=3, summary=Summary(value=[value])).SerializeToString()
    )


def tensors() -> Iterator[tuple[TensorProto, float | None]]:
    """Tensors, and the value of each that is a scalar."""
    shape = {"dim": [{"size": 2}]}
    yield TensorProto(dtype=FLOAT, float_val=[1.5]), 1.5
    yield TensorProto(dtype=FLOAT, tensor_content=struct.pack("<f", -2.5)), -2.5
    yield TensorProto(dtype=DOUBLE, double_val=[0.1]), 0.1
    yield TensorProto(dtype=DOUBLE, tensor_content=struct.pack("<d", 0.2)), 0.2
    yield TensorProto(dtype=INT32, int_val=[-3]), -3.0
    yield TensorProto(dtype=INT64, int64_val=[-4]), -4.0
    yield TensorProto(dtype=INT64, tensor_content=struct.pack("<q", 5)), 5.0
    yield TensorProto(dtype=HALF, tensor_content=struct.pack("<e", 0.5)), 0.5
    yield TensorProto(dtype=STRING, string_val=[b"hello"]), None
    yield TensorProto(dtype=FLOAT, float_val=[1, 2], tensor_shape=shape), None
    yield TensorProto(dtype=FLOAT), None
