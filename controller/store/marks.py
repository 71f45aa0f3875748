"""What is kept of a request that was decided on: its id, and what it asked for."""

from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from events.envelope import Envelope


class Mark(NamedTuple):
    """A row of `inbox`: a request that was decided on, and what it asked for."""

    id: UUID
    asked: bytes | None
    """A hash; None: an earlier version decided on it."""

    @classmethod
    def of(cls, request: Envelope) -> "Mark":
        """Fields that a later version adds do not change the mark of an earlier request."""
        fields = request.body.model_dump_json(exclude_defaults=True)
        return cls(request.id, sha256(f"{request.body.type} {fields}".encode()).digest())

    @property
    def taken(self) -> str:
        """Why another request under this id is put aside."""
        return f"the request {self.id} asked for something else before"
