"""The messages between the pool and a worker: frames, each preceded by its length.

To a worker: pickled lists (a journal's entries), then a pickled `algorithms.search.live.Question`.
From a worker, where anybody's algorithm may run: an empty frame when pieces of the work are done,
then a JSON object with `assignments`, `exhausted`, `seconds` and `memory` (bytes), or `error`, or
nothing in it if the search is not there.
"""

import socket
import struct

LENGTH = struct.Struct("!I")
MAX_FRAME_BYTES = 64 * 2**20
"""Bytes of one frame; 5,000 suggestions have less than one."""
OUT_OF_MEMORY = 99
"""The exit status of a worker that had no memory left."""


def framed(payload: bytes) -> bytes:
    return LENGTH.pack(len(payload)) + payload


def receive(connection: socket.socket) -> bytes | None:
    """Wait for the next frame, in the worker; None when the controller has closed the socket."""
    head = _exactly(connection, LENGTH.size)
    return None if head is None else _exactly(connection, LENGTH.unpack(head)[0])


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(min(size - len(data), 2**20))
        if not piece:
            return None
        data += piece
    return bytes(data)
