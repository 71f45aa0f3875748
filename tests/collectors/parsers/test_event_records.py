"""Records of event files: what real writers write is read, and nothing else is."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboardX.proto.tensor_pb2 import TensorProto

from collectors.parsers.event_records import (
    HEADER,
    BrokenRecordError,
    masked_checksum,
    record_size,
    scalars,
)
from tests.collectors.event_files import event, record, tensors


def test_the_checksum_is_crc_32c_as_records_have_it() -> None:
    plain = 0xE3069283  # of "123456789", RFC 3720
    masked = ((plain >> 15 | plain << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert masked_checksum(b"123456789") == masked


@pytest.mark.parametrize(("tensor", "value"), list(tensors()))
def test_a_tensor_without_dimensions_is_a_scalar(tensor: TensorProto, value: float | None) -> None:
    found = scalars(event("loss", tensor))
    assert [(one.tag, one.step, one.wall_time) for one in found] == [("loss", 3, 1.7e9)] * (
        value is not None
    )
    assert [one.value for one in found] == [value] * (value is not None)


def whole_record(data: bytes) -> None:
    assert record_size(data[:HEADER]) == len(data)
    scalars(data)


@given(st.integers(0, 7), st.binary(max_size=200))
def test_a_record_that_was_changed_is_broken(bit: int, noise: bytes) -> None:
    whole = event("loss", TensorProto(dtype=1, float_val=[math.pi]))
    whole_record(whole)
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 1 << bit
        with pytest.raises(BrokenRecordError):
            whole_record(bytes(changed))
    if noise:
        with pytest.raises(BrokenRecordError):
            scalars(whole[:-4] + noise + whole[-4:])


@pytest.mark.parametrize("key", [5 << 3, 6 << 3, 7 << 3 | 1, 10 << 3 | 5, 13 << 3 | 1])
def test_a_list_of_another_type_is_no_value(key: int) -> None:
    """A field of another wire type than its own is one that nobody knows."""
    tensor = b"\x08\x01" + bytes([key]) + {0: b"\x07", 1: bytes(8), 5: bytes(4)}[key & 7]
    value = b"\x0a\x01x\x42" + bytes([len(tensor)]) + tensor
    summary = b"\x0a" + bytes([len(value)]) + value
    assert scalars(record(b"\x2a" + bytes([len(summary)]) + summary)) == []


@given(st.binary(max_size=300))
def test_any_message_is_read_or_broken(data: bytes) -> None:
    try:
        found = scalars(record(data))
    except BrokenRecordError:
        return
    assert all(isinstance(one.value, float) for one in found)


@given(st.binary(max_size=80))
def test_any_tensor_is_read_or_broken(data: bytes) -> None:
    size = struct.pack("B", len(data))
    value = b"\x0a\x01x\x42" + size + data
    summary = b"\x0a" + struct.pack("B", len(value)) + value
    with_summary = b"\x2a" + struct.pack("B", len(summary)) + summary
    try:
        found = scalars(record(with_summary))
    except BrokenRecordError:
        return
    assert all(isinstance(one.value, float) for one in found)
