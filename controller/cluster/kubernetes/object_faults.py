"""One object's fault is one object's fault: it is counted, logged and passed over."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from controller.telemetry.catalogue import OBJECT_FAULTS
from events.memory import end_without_memory

_log = logging.getLogger(__name__)


@contextmanager
def isolating(resource: str, what: object) -> Iterator[None]:
    """Whatever cannot be done with `what`, one of `resource`, costs nobody else anything: the rest
    of the block is left out."""
    try:
        yield
    except Exception as error:
        end_without_memory(error)
        OBJECT_FAULTS.labels(resource.rpartition("/")[2]).inc()
        _log.exception("an object of %s is passed over: %.300r", resource, what)
